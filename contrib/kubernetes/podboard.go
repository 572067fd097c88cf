package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/traffic"
)

// The defaults of [PodBoardOptions].
const (
	DefaultPodPath    = "/autoscale/report"
	DefaultPodTimeout = 2 * time.Second
)

const (
	// podsAtOnce bounds the pods that are asked at the same time.
	podsAtOnce = 64
	// leastPodToken is the least length of a token, in bytes.
	leastPodToken = 16
	// maxMember bounds the name of a process, in bytes.
	maxMember = 512
)

// PodBoardOptions are the settings of a [PodBoard]. Token is required.
type PodBoardOptions struct {
	// Token is a secret that all pods of the service share. It is never sent: requests and
	// answers are signed with it. At least 16 bytes.
	Token string

	// Namespace is the namespace of the Service. Empty: the namespace of the Client.
	Namespace string

	// Port is where the pods serve the PodBoard. 0: the first port of the Service.
	Port int

	// Path is where the pods serve the PodBoard. Defaults to DefaultPodPath.
	Path string

	// Timeout is how long a Read may take, from the list of the pods to the last answer. A
	// pod has half of it. traffic.Shared allows three seconds. Defaults to
	// DefaultPodTimeout.
	Timeout time.Duration
}

// Format writes everything but the Token, for every verb.
func (o PodBoardOptions) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "kubernetes.PodBoardOptions(namespace %s, port %d, path %s, timeout %v)", o.Namespace, o.Port, o.Path, o.Timeout)
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (o PodBoardOptions) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

// A PodBoard is a [traffic.MetricsBoard] without a database: each pod keeps its own report,
// and the process that leads asks the pods for theirs. Make one with [Client.PodBoard].
//
//	board := client.PodBoard("web", &kubernetes.PodBoardOptions{Token: os.Getenv("AUTOSCALE_POD_TOKEN")})
//	shared := &traffic.Shared{Traffic: t, MetricsBoard: board, Interval: 2 * time.Second}
//	mux.Handle(kubernetes.DefaultPodPath, board)
//
// Read lists the EndpointSlices of the Service, and asks at most 64 pods at once. A pod that
// is slow, dead or hostile costs its own report, and nobody else's: its share of the
// load is that of a process that did not report. If no pod answers, Read returns an
// error.
//
// Requests and answers are signed with the token by HMAC-SHA256, so that who cannot sign
// reads no report and forges none. They are not encrypted: a report holds counts of
// requests, and no contents.
//
// A PodBoard serves one traffic.Shared. Its role needs list of endpointslices. It is safe
// for concurrent use.
type PodBoard struct {
	client  *Client
	service string
	opts    PodBoardOptions
	fault   error
	http    *http.Client

	mu     sync.Mutex
	member string
	report []byte // empty: none
	at     time.Time
}

var _ traffic.MetricsBoard = (*PodBoard)(nil)

// PodBoard returns the board of the pods behind the Service of that name. opts must have a
// Token. PodBoard does no I/O and never fails: Validate and every call report what is
// wrong. Later changes of *opts have no effect.
func (c *Client) PodBoard(service string, opts *PodBoardOptions) *PodBoard {
	var o PodBoardOptions
	if opts != nil {
		o = *opts
	}
	o.Path, o.Timeout = cmp.Or(o.Path, DefaultPodPath), cmp.Or(o.Timeout, DefaultPodTimeout)
	b := &PodBoard{client: c, service: service, opts: o}
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("kubernetes: pod board: "+format, args...))
	}
	if len(service) > 63 || !validPart.MatchString(service) {
		bad("the Service is %.80q: give its name, of at most 63 lower-case letters, digits and dashes", service)
	}
	if len(o.Token) < leastPodToken {
		bad("PodBoardOptions.Token has %d bytes: give %d or more, the same in all pods", len(o.Token), leastPodToken)
	}
	if o.Namespace != "" && !validNamespace.MatchString(o.Namespace) {
		bad("PodBoardOptions.Namespace is %.80q: it must be the name of a namespace", o.Namespace)
	}
	if o.Port < 0 || o.Port > 65535 {
		bad("PodBoardOptions.Port is %d: it must be from 1 to 65535, or 0 for that of the Service", o.Port)
	}
	if u, err := url.Parse(o.Path); err != nil || u.Path != o.Path || !strings.HasPrefix(o.Path, "/") {
		bad("PodBoardOptions.Path is %.80q: it must begin with a slash, and have no query", o.Path)
	}
	if o.Timeout < 0 {
		bad("PodBoardOptions.Timeout is %v: it must be above 0, or 0 for %v", o.Timeout, DefaultPodTimeout)
	}
	b.fault = errors.Join(faults...)
	transport := outbound.NewTransport()
	transport.Proxy = nil // a pod is asked itself
	transport.DialContext = (&net.Dialer{Timeout: o.Timeout}).DialContext
	transport.DisableCompression = true
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = traffic.MaxReports, 1, 2
	b.http = outbound.Client(http.Client{Transport: transport})
	return b
}

// Validate reports everything that is wrong with the options and the Client. It sends no
// request.
func (b *PodBoard) Validate() error { return errors.Join(b.fault, b.client.Validate()) }

// Publish keeps the report of this process, which ServeHTTP serves. It sends nothing. An
// empty report removes the last one.
func (b *PodBoard) Publish(ctx context.Context, member string, report []byte) error {
	switch {
	case b.fault != nil:
		return b.fault
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(report) > traffic.MaxReportSize || len(member) > maxMember:
		return fmt.Errorf("kubernetes: publish the report of %.80q: it has %d bytes, more than %d, or the name has more than %d", member, len(report), traffic.MaxReportSize, maxMember)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.member, b.report, b.at = member, slices.Clone(report), time.Now()
	return nil
}

// CloseIdleConnections closes the connections to pods that are kept open.
func (b *PodBoard) CloseIdleConnections() { b.http.CloseIdleConnections() }

// Format writes the name of the Service, for every verb.
func (b *PodBoard) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "kubernetes.PodBoard(%s)", b.service) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (b *PodBoard) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(b)) }

// Read asks the pods behind the Service for their reports. It returns those that answered
// in time. If none did, it returns an error.
func (b *PodBoard) Read(ctx context.Context, fresh time.Duration) ([]traffic.Report, error) {
	if b.fault != nil {
		return nil, b.fault
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	pods, err := b.pods(ctx)
	if err != nil {
		return nil, err
	}
	var (
		mu      sync.Mutex
		reports []traffic.Report
		failed  int
		first   error
		next    = make(chan netip.AddrPort)
		asking  sync.WaitGroup
	)
	for range min(podsAtOnce, len(pods)) {
		asking.Go(func() {
			for pod := range next {
				r, err := b.ask(ctx, pod)
				mu.Lock()
				switch {
				case err != nil:
					failed++
					if first == nil {
						first = err
					}
				case len(r.Data) > 0 && r.Age < fresh:
					reports = append(reports, r)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, pod := range pods {
		select {
		case next <- pod:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	asking.Wait()
	if len(reports) == 0 && failed > 0 {
		return nil, fmt.Errorf("kubernetes: none of the %d pods of the Service %s returned its report: is the PodBoard served at %s in each of them, with the same Token? One says: %w", len(pods), b.service, b.opts.Path, first)
	}
	slices.SortFunc(reports, func(x, y traffic.Report) int { return cmp.Compare(x.Age, y.Age) })
	return reports[:min(len(reports), traffic.MaxReports)], nil
}

// An endpointSlice is one of discovery.k8s.io/v1.
type endpointSlice struct {
	Endpoints []struct {
		Addresses []string `json:"addresses"`
		TargetRef struct {
			UID string `json:"uid"`
		} `json:"targetRef"`
		Conditions struct {
			Ready   *bool `json:"ready"`
			Serving *bool `json:"serving"`
		} `json:"conditions"`
	} `json:"endpoints"`
	Ports []struct {
		Port *int `json:"port"`
	} `json:"ports"`
}

// pods returns where the pods of the Service serve. A pod that is not ready serves nobody,
// and one that is terminating may still serve.
func (b *PodBoard) pods(ctx context.Context) ([]netip.AddrPort, error) {
	k := call{
		op: "list the pods of the Service " + b.service, subject: "endpointslices", api: "discovery.k8s.io/v1", resource: "endpointslices",
		namespace: b.opts.Namespace, query: url.Values{"labelSelector": {"kubernetes.io/service-name=" + b.service}},
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []endpointSlice `json:"items"`
	}
	if err := b.client.do(ctx, k, nil, &list); err != nil {
		return nil, err
	}
	if list.Metadata.ResourceVersion == "" {
		return nil, fmt.Errorf("kubernetes: %s: the answer is not a list of EndpointSlices", k.op)
	}
	known := make(map[string]bool) // a pod of two address families is in two slices
	var out []netip.AddrPort
	for _, s := range list.Items {
		port := b.opts.Port
		if port == 0 && len(s.Ports) > 0 && s.Ports[0].Port != nil {
			port = *s.Ports[0].Port
		}
		for _, e := range s.Endpoints {
			serves := e.Conditions.Serving
			if serves == nil {
				serves = e.Conditions.Ready
			}
			if serves != nil && !*serves || len(e.Addresses) == 0 {
				continue
			}
			addr, err := netip.ParseAddr(e.Addresses[0])
			pod := cmp.Or(e.TargetRef.UID, addr.String())
			if err != nil || known[pod] || port < 1 || port > 65535 || len(out) == traffic.MaxReports {
				continue
			}
			known[pod] = true
			out = append(out, netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	return out, nil
}

// ask asks one pod for its report.
func (b *PodBoard) ask(ctx context.Context, pod netip.AddrPort) (r traffic.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.Timeout/2)
	defer cancel()
	q := newQuestion(pod.String())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pod.String()+b.opts.Path, nil)
	if err != nil {
		return r, err
	}
	q.sign(req.Header, b.opts.Token)
	res, err := b.http.Do(req)
	if err != nil {
		return r, fmt.Errorf("ask the pod %s: %w", pod, outbound.Clean(err))
	}
	defer res.Body.Close()
	body, err := readReport(res)
	if err != nil {
		return r, fmt.Errorf("ask the pod %s: %w", pod, err)
	}
	if !q.answered(res.Header, body, b.opts.Token) {
		return r, fmt.Errorf("ask the pod %s: its answer is not signed with the Token", pod)
	}
	age, err := strconv.ParseInt(res.Header.Get(headerAge), 10, 64)
	if err != nil || age < 0 || age > int64(time.Hour/time.Millisecond) {
		return r, fmt.Errorf("ask the pod %s: its answer has no age of its report", pod)
	}
	member, err := url.QueryUnescape(res.Header.Get(headerMember))
	if err != nil || len(member) > maxMember {
		return r, fmt.Errorf("ask the pod %s: its answer has no name", pod)
	}
	return traffic.Report{Member: member, Data: body, Age: time.Duration(age) * time.Millisecond}, nil
}
