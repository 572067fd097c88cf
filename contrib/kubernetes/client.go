package kubernetes

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// The defaults of [Options].
const (
	DefaultQPS            = 50
	DefaultBurst          = 100
	DefaultAttemptTimeout = 10 * time.Second
	DefaultUserAgent      = "autoscale/kubernetes (+https://github.com/autoscalebot/autoscale)"
)

// namespaceFile is where a pod finds the name of its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Options are the settings of a [Client]. The zero value is ready to use.
type Options struct {
	// Namespace is where everything is that the Client reads and writes. Defaults to the
	// pod's own namespace for [InCluster], to that of the context for [FromKubeconfig],
	// and to "default" otherwise.
	Namespace string

	// QPS is how many requests the Client sends per second, on average. A request
	// above it waits, or fails at once if its context leaves no time to wait. It
	// replaces the QPS of a rest.Config, whose default of 5 is too low for a fleet.
	// Defaults to DefaultQPS.
	QPS float64

	// Burst is how many requests the Client sends at once. Defaults to DefaultBurst,
	// or to twice the QPS if that is more.
	Burst int

	// AttemptTimeout is how long one attempt at a request may take, within the time of
	// the caller's context. Defaults to DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// UserAgent names the Client to the API server, and in its audit log. Defaults to
	// DefaultUserAgent.
	UserAgent string
}

func (o Options) withDefaults() Options {
	o.QPS = cmp.Or(o.QPS, DefaultQPS)
	o.Burst = cmp.Or(o.Burst, max(DefaultBurst, int(min(2*o.QPS, 1<<20))))
	o.AttemptTimeout = cmp.Or(o.AttemptTimeout, DefaultAttemptTimeout)
	o.UserAgent = cmp.Or(o.UserAgent, DefaultUserAgent)
	return o
}

var validNamespace = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// fault reports all that is wrong with the options.
func (o Options) fault() error {
	var faults []error
	if o.Namespace != "" && !validNamespace.MatchString(o.Namespace) {
		faults = append(faults, fmt.Errorf("Options.Namespace %s is not a name of at most 63 lower-case letters, digits and dashes: `kubectl get namespaces` lists them", calls.Quoted(o.Namespace)))
	}
	if !(o.QPS >= 0 && o.QPS <= 1e6) {
		faults = append(faults, fmt.Errorf("Options.QPS is %v: it must be above 0 and at most 1,000,000, or 0 for %d", o.QPS, DefaultQPS))
	}
	if o.Burst < 0 {
		faults = append(faults, fmt.Errorf("Options.Burst is %d: it must be above 0, or 0 for %d", o.Burst, DefaultBurst))
	}
	if o.AttemptTimeout < 0 {
		faults = append(faults, fmt.Errorf("Options.AttemptTimeout is %v: it must be above 0, or 0 for %v", o.AttemptTimeout, DefaultAttemptTimeout))
	}
	if o.UserAgent != outbound.Line(o.UserAgent, 200) {
		faults = append(faults, errors.New("Options.UserAgent is longer than 200 bytes or has line breaks: give a name and a version, as shop/1.2"))
	}
	return errors.Join(faults...)
}

// A Client speaks to the API server of one cluster, in one namespace. All that is made
// from it share its connections and its budget of requests. It is safe for concurrent
// use.
type Client struct {
	source  func() (*rest.Config, string, error) // reads the configuration and its namespace
	opts    Options                              // with defaults
	fault   error                                // what is wrong with the options
	limiter *rate.Limiter
	hidden  secrets

	mu     sync.Mutex              // guards the fields below
	conn   *conn                   // nil: not read yet
	others map[string]*autoscalers // by namespace
}

// A conn is what a configuration came to.
type conn struct {
	http      *http.Client
	base      *url.URL
	namespace string
}

// InCluster returns a client for a program that runs in a pod. It uses the pod's service
// account, whose token is read again as it is renewed. If opts is nil, the default options
// are used. Later changes of *opts have no effect.
//
// InCluster does no I/O. The files of the service account are read by [Client.Validate] or
// by the first request.
func InCluster(opts *Options) *Client {
	return newClient(opts, func() (*rest.Config, string, error) {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", errors.New("this process runs in no pod, because KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: use kubernetes.FromKubeconfig outside a cluster")
		}
		if err != nil {
			return nil, "", fmt.Errorf("the pod's service account cannot be read: check that the pod does not set automountServiceAccountToken: false: %w", outbound.Clean(err))
		}
		namespace, _ := os.ReadFile(namespaceFile)
		return config, strings.TrimSpace(string(namespace)), nil
	})
}

// FromKubeconfig returns a client for the cluster, user and namespace of a context of a
// kubeconfig file. path may also be a list of files, as KUBECONFIG is. If path is empty, the files are those that kubectl uses: the ones that
// KUBECONFIG names, or ~/.kube/config. If context is empty, it is the file's current
// context. Client certificates, tokens and plugins such as those of EKS, GKE and AKS
// work as with kubectl. If opts is nil, the default options are used. Later changes of
// *opts have no effect.
//
// FromKubeconfig does no I/O. The file is read by [Client.Validate] or by the first
// request.
func FromKubeconfig(path, context string, opts *Options) *Client {
	return newClient(opts, func() (*rest.Config, string, error) {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.WarnIfAllMissing, rules.Warner = false, func(error) {}
		if files := filepath.SplitList(path); len(files) > 1 {
			rules.Precedence = files
		} else {
			rules.ExplicitPath = path
		}
		loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context})
		config, err := loader.ClientConfig()
		if clientcmd.IsEmptyConfig(err) {
			return nil, "", errors.New("there is no kubeconfig, or it is empty: set KUBECONFIG to the file that kubectl uses, or write ~/.kube/config")
		}
		if err != nil {
			return nil, "", fmt.Errorf("the kubeconfig cannot be used: `kubectl config get-contexts` lists the contexts: %w", outbound.Clean(err))
		}
		namespace, _, err := loader.Namespace()
		if err != nil {
			return nil, "", fmt.Errorf("the namespace of the kubeconfig cannot be read: %w", outbound.Clean(err))
		}
		return config, namespace, nil
	})
}

// FromConfig returns a client for a program that has a rest.Config already, for
// instance from controller-runtime. If opts is nil, the default options are used.
// Neither later changes of *config nor of *opts have an effect.
func FromConfig(config *rest.Config, opts *Options) *Client {
	if config != nil {
		config = rest.CopyConfig(config)
	}
	c := newClient(opts, func() (*rest.Config, string, error) {
		if config == nil {
			return nil, "", errors.New("the rest.Config is nil")
		}
		return rest.CopyConfig(config), "", nil
	})
	if config != nil {
		c.hidden.add(config.BearerToken, config.Password)
	}
	return c
}

func newClient(opts *Options, source func() (*rest.Config, string, error)) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	c := &Client{source: source, fault: o.fault(), opts: o.withDefaults(), hidden: newSecrets()}
	c.limiter = rate.NewLimiter(rate.Limit(c.opts.QPS), c.opts.Burst)
	return c
}

// Validate reports everything that is wrong with the options and with the configuration,
// which it reads from its files. It sends no request.
func (c *Client) Validate() error {
	if c == nil || c.source == nil {
		return errNoClient
	}
	if c.fault != nil {
		return c.fault
	}
	_, err := c.connection()
	return err
}

// Namespace returns the namespace of the Client. It is empty if the configuration cannot
// be read, which [Client.Validate] reports.
func (c *Client) Namespace() string {
	if c.Validate() != nil {
		return ""
	}
	conn, err := c.connection()
	if err != nil {
		return ""
	}
	return conn.namespace
}

// CloseIdleConnections closes the connections that are kept open between requests. The
// Client can be used afterwards.
func (c *Client) CloseIdleConnections() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		utilnet.CloseIdleConnectionsFor(c.conn.http.Transport)
	}
}

// Format writes the address of the API server, for every verb, and never the credentials.
func (c *Client) Format(f fmt.State, _ rune) {
	if c == nil {
		fmt.Fprint(f, "kubernetes.Client(none)")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		fmt.Fprint(f, "kubernetes.Client(not connected yet)")
		return
	}
	fmt.Fprintf(f, "kubernetes.Client(%s, namespace %s)", outbound.Bare(c.conn.base), c.conn.namespace)
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// connection reads the configuration, if it was not read successfully before.
func (c *Client) connection() (*conn, error) {
	if c.fault != nil {
		return nil, c.fault
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return c.conn, nil
	}
	config, namespace, err := c.source()
	if err != nil {
		return nil, err
	}
	made, err := c.connect(config)
	if err != nil {
		return nil, err
	}
	made.namespace = cmp.Or(c.opts.Namespace, namespace, "default")
	if !validNamespace.MatchString(made.namespace) {
		return nil, fmt.Errorf("the namespace %s of the configuration is not a valid name: set Options.Namespace", calls.Quoted(made.namespace))
	}
	c.conn = made
	return made, nil
}

func (c *Client) connect(config *rest.Config) (*conn, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("the API server's URL is not valid: %w", outbound.Clean(err))
	}
	if base.User != nil {
		return nil, errors.New("the API server's URL has a user or a password: give them in the configuration's user instead")
	}
	config.UserAgent = c.opts.UserAgent
	config.Timeout = 0 // each request has a deadline of its own, and a watch has none of that length
	c.hidden.add(config.BearerToken, config.Password)
	// The innermost RoundTripper sees what plugins add, and checks the deadline after
	// they ran.
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &observer{next: outbound.Wrap(next), hidden: c.hidden}
	})
	plain, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be used: %w", outbound.Clean(err))
	}
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &conn{http: plain, base: base}, nil
}
