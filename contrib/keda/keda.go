package keda

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda/internal/externalscaler"
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/published"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MetricName is the name of the only metric of a [Server]. KEDA shows it as
// "s0-autoscale-published-size", with the index of the trigger.
const MetricName = "autoscale-published-size"

// A Source has the Autoscalers whose sizes KEDA runs. It is an [*autoscale.Autoscaler] or
// an [*autoscale.Group].
type Source interface {
	Members() []*autoscale.Autoscaler
}

// Options are the options of [New].
type Options struct {
	// StaleAfter is how long a size counts after the last tick. After that the size is not
	// known. Zero: five minutes, as on the page of package status. It must not be negative.
	StaleAfter time.Duration

	// Streams is how many StreamIsActive calls may be open at once. KEDA opens one for each
	// trigger of type external-push. Zero: 100. It must not be negative.
	Streams int

	// Logger logs what is wrong with the Options, and panics in the Source. Nil:
	// slog.Default().
	Logger *slog.Logger
}

const defaultStreams = 100

// A Server answers KEDA. Make one with [New]. It is safe for concurrent use.
type Server struct {
	source Source
	opts   Options
	fault  error

	streams chan struct{} // holds a token for each open stream
	closed  chan struct{}
	close   sync.Once
}

// New returns a Server that answers with the size that the Autoscalers of source want to
// run. It does no I/O and never fails. If source is nil or opts is invalid, Validate and
// the log report it, and every answer is codes.FailedPrecondition. If opts is nil, the
// default options are used. Later changes of *opts have no effect.
func New(source Source, opts *Options) *Server {
	s := &Server{source: source, closed: make(chan struct{})}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Logger == nil {
		s.opts.Logger = slog.Default()
	}
	s.fault = s.check()
	if s.fault != nil {
		s.opts.Logger.Error(s.fault.Error())
	}
	s.opts.StaleAfter = cmp.Or(s.opts.StaleAfter, published.StaleAfter)
	s.streams = make(chan struct{}, max(0, cmp.Or(s.opts.Streams, defaultStreams)))
	return s
}

func (s *Server) check() error {
	var errs []error
	if s.source == nil {
		errs = append(errs, errors.New("the source is nil: give an Autoscaler or a Group"))
	}
	if s.opts.StaleAfter < 0 {
		errs = append(errs, fmt.Errorf("Options.StaleAfter is %v: it must be positive, or 0 for %v", s.opts.StaleAfter, published.StaleAfter))
	}
	if s.opts.Streams < 0 {
		errs = append(errs, fmt.Errorf("Options.Streams is %d: it must be positive, or 0 for %d", s.opts.Streams, defaultStreams))
	}
	if errs == nil {
		return nil
	}
	return fmt.Errorf("keda: KEDA gets no size: %w", errors.Join(errs...))
}

// Validate reports what is wrong with the arguments of [New], all at once.
func (s *Server) Validate() error { return s.fault }

// Register adds the service externalscaler.ExternalScaler to a [*grpc.Server]. Call it
// before Serve. Call it only once for a grpc.Server. As for every service, a second call
// ends the program.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	externalscaler.Register(r, &service{s})
}

// Close ends the open streams. Call it before [grpc.Server.GracefulStop], which would
// otherwise wait for them for ever. Later streams end at once. Close returns nil.
func (s *Server) Close() error {
	s.close.Do(func() { close(s.closed) })
	return nil
}

// find returns the Status of the Autoscaler that the metadata of a trigger names.
func (s *Server) find(metadata map[string]string) (found autoscale.Status, err error) {
	if s.fault != nil {
		return found, status.Error(codes.FailedPrecondition, oneLine(s.fault))
	}
	var all []autoscale.Status
	err = guard.Do(func() error {
		for _, a := range s.source.Members() {
			all = append(all, a.Status())
		}
		return nil
	})
	if err != nil {
		s.opts.Logger.Error("keda: the source panicked", "error", err)
		return found, status.Error(codes.Internal, "keda: the source of the Autoscalers panicked: see the log of the service")
	}
	name, named := metadata[nameKey]
	if !named {
		if key := stranger(metadata); key != "" {
			return found, status.Errorf(codes.InvalidArgument, "keda: metadata of the trigger has %.40q and no %q: name the process type in %q, one of %s", key, nameKey, nameKey, names(all))
		}
		if len(all) == 1 {
			return all[0], nil
		}
		return found, status.Errorf(codes.InvalidArgument, "keda: metadata of the trigger has no %q, and there are %d process types: name one of %s", nameKey, len(all), names(all))
	}
	if name == "" {
		return found, status.Errorf(codes.InvalidArgument, "keda: %q in the metadata of the trigger is empty: name one of %s", nameKey, names(all))
	}
	for _, each := range all {
		if each.Name == name {
			return each, nil
		}
	}
	return found, status.Errorf(codes.NotFound, "keda: there is no autoscaler of the process type %.40q: name one of %s in the metadata of the trigger", name, names(all))
}

// nameKey is the key in the metadata of a trigger that names the process type.
const nameKey = "name"

// stranger returns a key that KEDA itself does not read, or "". If a key was meant to be
// the name, such as "process", the answer must not be that of the only Autoscaler, because
// that may be another one.
func stranger(metadata map[string]string) string {
	for key := range metadata {
		switch key {
		case "scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsClientCert", "tlsClientKey":
		default:
			return key
		}
	}
	return ""
}

// names lists the process types. A long list is cut.
func names(all []autoscale.Status) string {
	const most = 20
	var out []string
	for _, s := range all[:min(len(all), most)] {
		out = append(out, fmt.Sprintf("%.40q", s.Name))
	}
	if len(all) > most {
		out = append(out, fmt.Sprintf("and %d more", len(all)-most))
	}
	if out == nil {
		return "none, because there is no Autoscaler"
	}
	return strings.Join(out, ", ")
}

// size returns the size that KEDA should run.
func (s *Server) size(ref *externalscaler.ScaledObjectRef) (int, error) {
	found, err := s.find(ref.GetScalerMetadata())
	if err != nil {
		return 0, err
	}
	size, err := published.Size(found, time.Now(), s.opts.StaleAfter)
	if err != nil {
		return 0, status.Error(codes.Unavailable, "keda: "+oneLine(err))
	}
	return size, nil
}

// oneLine returns the text of err on one line, for a gRPC message.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
