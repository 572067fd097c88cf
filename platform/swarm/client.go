package swarm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// DefaultHost is the default of platform.Options.BaseURL if $DOCKER_HOST is empty.
	DefaultHost = "unix:///var/run/docker.sock"

	// DefaultCallsPerHour is the default of platform.Options.CallsPerHour. Docker has no
	// limit.
	DefaultCallsPerHour = 7200
)

// A Client speaks to the Docker Engine API of one manager of a swarm. All its Scalers
// share its connections and its budget of calls. It is safe for concurrent use.
type Client struct {
	calls *calls.Client
	host  string          // the address that people see
	own   *http.Transport // nil if the host supplied one
	sent  *secrets
}

// NewClient returns a client of the Docker Engine API at opts.BaseURL, which is one of
//
//	unix:///var/run/docker.sock
//	tcp://manager.example.com:2376
//	https://manager.example.com:2376
//
// The default is $DOCKER_HOST, which has the same forms, or [DefaultHost] if that is empty.
// If opts is nil, the default options are used.
//
// certPath is a folder with ca.pem, cert.pem and key.pem, in the form that `docker
// --tlsverify` needs. It defaults to $DOCKER_CERT_PATH. The files are read for each
// connection, so they may be replaced. With such a folder, tcp uses TLS. Without one, tcp
// is not encrypted, which is refused except on the loopback interface, because anybody who
// can read the traffic can command the swarm. https without a folder trusts the
// certificates that the system trusts, and sends no client certificate.
//
// NewClient does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(certPath string, opts *platform.Options) *Client {
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	env := calls.Getenv(opts)
	from, host := "Options.BaseURL", o.BaseURL
	if host == "" {
		from, host = "DOCKER_HOST", cmp.Or(env("DOCKER_HOST"), DefaultHost)
	}
	at, fault := parseHost(from, host, cmp.Or(certPath, env("DOCKER_CERT_PATH")), o.Transport != nil)
	c := &Client{host: at.name, sent: new(secrets)}
	o.BaseURL = at.base
	if o.Transport == nil {
		c.own = at.transport()
		o.Transport = c.own
	}
	c.calls = calls.New(calls.Dialect{
		Platform: "swarm", BaseURL: "http://docker", CallsPerHour: DefaultCallsPerHour,
		Hidden:  c.sent.all,
		Explain: explain, Advise: advise, Passing: passing, Lasting: lasting,
	}, &o, fault)
	return c
}

// Self returns the service and the task in which this process runs, from the environment
// variables SWARM_SERVICE and TASK_ID. Swarm does not set them by itself. Give the service
//
//	--env SWARM_SERVICE={{.Service.Name}} --env TASK_ID={{.Task.ID}}
//
// The task suits leader.Options.Holder.
func Self() (service, task string) { return os.Getenv("SWARM_SERVICE"), os.Getenv("TASK_ID") }

// CloseIdleConnections closes the connections that are kept open between calls. It does
// not close those of an Options.Transport. The Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Format writes the address of the client's API, for every verb.
func (c *Client) Format(f fmt.State, _ rune) {
	name := c.host
	if c.calls.Fault() != nil {
		name = "not valid"
	}
	fmt.Fprintf(f, "swarm.Client(%s)", name)
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// outOfSequence is the text of a refusal of an order that names an older version of a
// service. The Docker daemon answers it with the status 500.
const outOfSequence = "update out of sequence"

// explain reads a refusal. If the swarm's manager refused, it quotes a gRPC error.
func explain(e *platform.Error, _ http.Header, body []byte) {
	var refusal struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &refusal) != nil {
		return
	}
	e.Message = refusal.Message
	if rest, ok := strings.CutPrefix(refusal.Message, "rpc error: code = "); ok {
		if code, message, ok := strings.Cut(rest, " desc = "); ok {
			e.Code, e.Message = code, message
		}
	}
	if e.Message == outOfSequence {
		e.Code, e.Message = outOfSequence, ""
	}
}

// What a Docker daemon that cannot answer for a swarm says, with status 503.
const (
	noSwarm     = `Use "docker swarm init"`
	worker      = "Worker nodes can't be used"
	preparing   = "Manager is being prepared"
	locked      = "Swarm is encrypted"
	certificate = "certificates have expired"
	noLeader    = "swarm does not have a leader" // with the status 500
)

func says(e *platform.Error, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(e.Message, w) })
}

// passing reports whether the reason for a refusal ends by itself.
func passing(e *platform.Error) bool {
	return e.Status == http.StatusConflict || e.Code == outOfSequence || says(e, preparing)
}

// lasting reports whether another try would fail too.
func lasting(e *platform.Error) bool {
	return says(e, noSwarm, worker, locked, certificate) || errors.Is(e.Err, fs.ErrNotExist) || errors.Is(e.Err, fs.ErrPermission)
}

// advise returns advice on a refusal, or about no answer.
func advise(e *platform.Error) string {
	switch {
	case says(e, noSwarm):
		return "the Docker daemon is in no swarm: `docker swarm init` makes one, or give the address of a manager of one"
	case says(e, worker):
		return "run on a manager: deploy with the placement constraint node.role == manager, or give the address of one in DOCKER_HOST"
	case says(e, locked):
		return "`docker swarm unlock` on this manager"
	case says(e, certificate):
		return "the manager was stopped for too long: it must join the swarm again"
	case says(e, preparing):
		return "this ends when the manager reaches more than half of the managers: `docker node ls` on another one lists them"
	case says(e, noLeader):
		return "more than half of the managers must be up: `docker node ls` lists them"
	case e.Code == outOfSequence:
		return "somebody else changed the service at the same moment: the size is decided again"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "there is no socket of Docker, or no certificate: mount /var/run/docker.sock of a manager, or set DOCKER_HOST and DOCKER_CERT_PATH"
	case errors.Is(e.Err, fs.ErrPermission):
		return "the user of this process may not open the socket or the key: run with the socket's group, as user: \"65532:998\" in a stack file; `stat -c %g /var/run/docker.sock` on the manager prints the group"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "no Docker daemon listens there: `systemctl status docker`, and check DOCKER_HOST"
	case e.Status == http.StatusNotFound:
		return "check the name, which in a stack is STACK_SERVICE, as shop_web: `docker service ls` lists the services"
	case e.Status == http.StatusForbidden:
		return "a proxy in front of Docker refused: it must permit GET /services/{name}, GET /tasks and POST /services/{name}/update"
	case e.Status >= 500:
		return "the Docker daemon is in trouble: see its log; the size stays as it is"
	}
	return ""
}
