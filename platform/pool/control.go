package pool

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// The environment variables of a process. See the package documentation.
const (
	EnvProcess = "AUTOSCALE_POOL_PROCESS"
	EnvNumber  = "AUTOSCALE_POOL_NUMBER"
	EnvURL     = "AUTOSCALE_POOL_URL"
	EnvToken   = "AUTOSCALE_POOL_TOKEN"
)

const sizePath = "/size"

// A size is the JSON that the control reads and writes.
type size struct {
	Size    *int      `json:"size"`
	Pending int       `json:"pending,omitempty"`
	Changed time.Time `json:"changed,omitzero"`
	By      string    `json:"by,omitempty"` // the process that orders
	Code    string    `json:"code,omitempty"`
	Message string    `json:"message,omitempty"`
	Max     int       `json:"max,omitempty"`
}

// control opens the port by which processes order sizes.
func (p *Pool) control() (func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+sizePath, p.serveSize)
	mux.HandleFunc("POST "+sizePath, p.serveOrder)
	server := &http.Server{
		Handler:     mux,
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 8 << 10,
	}
	p.mu.Lock()
	p.url = "http://" + l.Addr().String()
	p.mu.Unlock()
	go func() { _ = server.Serve(l) }()
	p.opts.Logger.LogAttrs(context.Background(), slog.LevelInfo, "pool: started", slog.String("control", p.url), slog.Int("max", p.opts.Max))
	return func() { _ = server.Close() }, nil
}

func (p *Pool) admits(w http.ResponseWriter, r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(p.token)) != 1 {
		answer(w, http.StatusUnauthorized, size{Code: "unauthorized", Message: "the token is not that of this pool"})
		return false
	}
	return true
}

func (p *Pool) serveSize(w http.ResponseWriter, r *http.Request) {
	if !p.admits(w, r) {
		return
	}
	c, err := p.Capacity(r.Context())
	if err != nil {
		answer(w, http.StatusServiceUnavailable, size{Message: err.Error()})
		return
	}
	answer(w, http.StatusOK, size{Size: &c.Desired, Pending: c.Pending, Changed: c.Changed, Max: p.opts.Max})
}

func (p *Pool) serveOrder(w http.ResponseWriter, r *http.Request) {
	if !p.admits(w, r) {
		return
	}
	var order size
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&order); err != nil || order.Size == nil {
		answer(w, http.StatusBadRequest, size{Code: "bad_request", Message: `give {"size": a number}`})
		return
	}
	err := p.scale(r.Context(), *order.Size, order.By)
	var limit *autoscale.LimitError
	switch {
	case errors.As(err, &limit):
		answer(w, http.StatusUnprocessableEntity, size{Code: "above_max", Message: err.Error()})
	case err != nil:
		answer(w, http.StatusBadRequest, size{Code: "refused", Message: err.Error()})
	default:
		answer(w, http.StatusOK, size{Size: order.Size})
	}
}

func answer(w http.ResponseWriter, status int, s size) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(s)
}

// A Client orders sizes from a Pool that runs in another process. It is safe for concurrent
// use.
type Client struct {
	calls *calls.Client
	by    string
}

// NewClient returns a client of the Pool whose control is at opts.BaseURL. If opts is nil,
// the default options are used. They have no BaseURL, so use [FromEnv] in a process of a
// Pool. The default of CallsPerHour is 100,000. NewClient does no I/O.
func NewClient(token string, opts *platform.Options) *Client {
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	name := o.TokenName
	if name == "" {
		name = "the token given to pool.NewClient"
	}
	faults := []error{calls.FaultOfToken(token, name, "a Pool sets "+EnvToken+" for each of its processes: let a pool.Pool start this program")}
	if o.BaseURL == "" {
		faults = append(faults, fmt.Errorf("Options.BaseURL is empty: a Pool sets %s for each of its processes: let a pool.Pool start this program", EnvURL))
		o.BaseURL = "http://127.0.0.1"
	}
	return &Client{by: calls.Getenv(opts)(EnvProcess), calls: calls.New(calls.Dialect{
		Platform: "pool", BaseURL: "http://127.0.0.1:1234", CallsPerHour: 100_000, Secrets: []string{token},
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.Header.Set("Authorization", "Bearer "+token)
			return nil
		},
		Passing: func(e *platform.Error) bool { return e.Status == http.StatusConflict },
		Advise: func(e *platform.Error) string {
			if e.Status == http.StatusUnauthorized {
				return "check " + EnvToken + ": the Pool was started again, or it is another one"
			}
			return ""
		},
	}, &o, faults...)}
}

// FromEnv returns a client of the Pool that started this process, from the environment
// variables that the Pool set. If opts is nil, the default options are used.
func FromEnv(opts *platform.Options) *Client {
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	getenv := calls.Getenv(opts)
	o.BaseURL, o.TokenName = getenv(EnvURL), EnvToken
	return NewClient(getenv(EnvToken), &o)
}

// CloseIdleConnections closes the connections that are kept open between calls.
func (c *Client) CloseIdleConnections() { c.calls.CloseIdleConnections() }

// Format writes the address of the Pool, and never the token.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "pool.Client(%s)", c.calls.Base()) }

// Scaler returns the Scaler of the Pool's processes.
func (c *Client) Scaler() *Scaler { return &Scaler{c} }

// A Scaler orders sizes from a Pool that runs in another process. It is safe for concurrent
// use.
type Scaler struct{ client *Client }

var _ autoscale.Scaler = (*Scaler)(nil)

// Validate reports what is wrong with the client.
func (s *Scaler) Validate() error { return s.client.calls.Fault() }

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes the address of the Pool.
func (s *Scaler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "pool.Scaler(%s)", s.client.calls.Base())
}

// Capacity reads how many processes were ordered, and how many do not serve yet.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	out, err := s.read(ctx)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	return autoscale.Capacity{Desired: *out.Size, Pending: out.Pending, PendingKnown: true, Changed: out.Changed}, nil
}

func (s *Scaler) read(ctx context.Context) (out size, err error) {
	call := calls.Call{Op: "read the size", Subject: "the pool", Path: sizePath}
	if err := s.client.calls.Do(ctx, call, &out); err != nil {
		return size{}, err
	}
	if out.Size == nil || *out.Size < 0 || out.Pending < 0 || out.Pending > *out.Size {
		return size{}, s.client.calls.Invalid(call, errors.New("the answer has no size, or an absurd one: check "+EnvURL))
	}
	return out, nil
}

// Scale orders size processes. For a size above Options.Max of the Pool, the error is an
// [autoscale.LimitError]. Of all processes but the first, the one that orders is stopped
// last.
func (s *Scaler) Scale(ctx context.Context, n int) error {
	call := calls.Call{
		Op: fmt.Sprintf("scale to %d", n), Subject: "the pool", Method: http.MethodPost, Path: sizePath,
		Body: size{Size: &n, By: s.client.by}, Urgency: calls.Urgent,
	}
	if err := s.client.calls.CheckOrder(call, nil, n); err != nil {
		return err
	}
	var out size
	err := s.client.calls.Do(ctx, call, &out)
	if err == nil && (out.Size == nil || *out.Size != n) {
		err = s.client.calls.Invalid(call, errors.New("the answer does not have the size that was ordered: check "+EnvURL))
	}
	var e *platform.Error
	if errors.As(err, &e) && e.Code == "above_max" {
		if now, again := s.read(ctx); again == nil && now.Max > 0 {
			return &autoscale.LimitError{Size: n, Limit: now.Max, Err: err}
		}
	}
	return s.client.calls.Held(err)
}
