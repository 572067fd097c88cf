package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/status"
)

var discard = slog.New(slog.DiscardHandler)

// storeSource looks at an autoscaler, and steers it, through its Store.
type storeSource struct {
	store            Store
	name, app, lease string
	autoscaler       *autoscale.Autoscaler // it is not run
	checked          bool
}

func newStoreSource(s Store, name, app, lease string) (*storeSource, error) {
	if err := s.Elector.Validate(); err != nil {
		return nil, err
	}
	a := autoscale.New(autoscale.Config{Name: name, Elector: s.Elector, Logger: discard, Timeout: callTimeout})
	return &storeSource{store: s, name: name, app: app, lease: lease, autoscaler: a}, nil
}

// refresh reads the store. It is an error if no autoscaler ever led there.
func (s *storeSource) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if s.store.Check != nil && !s.checked {
		if err := s.store.Check(ctx); err != nil {
			return err
		}
		s.checked = true
	}
	if err := s.store.Elector.Refresh(ctx); err != nil {
		return fmt.Errorf("the store cannot be read: %w", err)
	}
	if r, ok := s.store.Elector.Record(); ok && r.Term > 0 {
		return nil
	}
	return s.missing(ctx)
}

// missing says which autoscalers there are instead.
func (s *storeSource) missing(ctx context.Context) error {
	text := fmt.Sprintf("no autoscaler ever led with the lease %q in this store: give --name, the process type, and --app, the application, as the service has them", s.lease)
	if s.store.Names == nil {
		return errors.New(text)
	}
	leases, err := s.store.Names(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%s; the list of leases cannot be read: %w", text, err)
	case len(leases) == 0:
		return errors.New(text + ". The store has no lease at all: is it the one that the service uses?")
	}
	for i, n := range leases {
		if app, name, ok := names.SplitLease(n); ok {
			leases[i] = fmt.Sprintf("--app=%s --name=%s", app, name)
		} else {
			leases[i] = "--lease=" + n
		}
	}
	return fmt.Errorf("%s. There are: %s", text, strings.Join(leases, "; "))
}

func (s *storeSource) read(ctx context.Context) (*document, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	known := s.autoscaler.Status()
	if r, _ := s.store.Elector.Record(); r.State != nil && known.Ticked.IsZero() {
		return nil, fmt.Errorf("the state of the lease %q cannot be read: the service has another release of autoscale, so use the autoscalebot of that release", s.lease)
	}
	return &document{Version: documentVersion, Time: time.Now().UTC(), App: s.app, Autoscalers: []described{{status.Describe(known)}}}, nil
}

func (s *storeSource) give(ctx context.Context, o order) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	ctx = autoscale.WithActor(ctx, o.By)
	switch {
	case o.Action == "resume":
		return s.autoscaler.Resume(ctx)
	case o.Action == "override":
		return s.autoscaler.Override(ctx, *o.Size, o.Until)
	case o.Until.IsZero():
		return s.autoscaler.Pause(ctx)
	}
	return s.autoscaler.PauseUntil(ctx, o.Until)
}
