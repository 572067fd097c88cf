// Notifier shows the two ways to write a notifier of your own: a function, and a
// type that says itself which events it gets.
//
//	go -C examples run ./notifier
//
// The service it scales exists in memory alone; it becomes slow, and is scaled
// as far as Max permits.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/autoscalebot/autoscale"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	cfg := configure(os.Stdout, new(service))
	a := autoscale.New(cfg)
	err := a.Validate() // Run would wait: a service goes on without its autoscaler
	if err == nil {
		err = a.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func configure(w io.Writer, s *service) autoscale.Config {
	// A function gets the kinds in Config.NotifyOn.
	chat := autoscale.NotifierFunc(func(_ context.Context, e autoscale.Event) error {
		_, err := fmt.Fprintf(w, "chat:  %v\n", e)
		return err
	})
	return autoscale.Config{
		Prober:    s,
		Scaler:    s,
		Max:       autoscale.Fixed(3),
		Interval:  250 * time.Millisecond,
		NotifyOn:  autoscale.Scaled | autoscale.Changed,
		Notifiers: []autoscale.Notifier{chat, &pager{w: w}},
		Logger:    slog.New(slog.DiscardHandler), // it would say the same once more
	}
}

// A pager wakes somebody when processes are needed that may not be had, and
// when they are needed no more. The Autoscaler gives it one event at a time.
type pager struct {
	w     io.Writer
	pages int
}

// Kinds takes the place of Config.NotifyOn.
func (p *pager) Kinds() autoscale.EventKind { return autoscale.NeedsAboveMax }

// Notify must return when ctx ends; one that calls another service passes ctx on.
// Its error is logged and counted, and the event is not sent again.
func (p *pager) Notify(ctx context.Context, e autoscale.Event) error {
	if e.Phase == autoscale.Ended {
		_, err := fmt.Fprintf(p.w, "pager: sleep on, %v\n", e)
		return err
	}
	p.pages++
	_, err := fmt.Fprintf(p.w, "pager: wake up (%d), %v\n", p.pages, e)
	return err
}

// A service is a platform and its load, in memory. It is used from one
// goroutine at a time.
type service struct {
	size   int
	probes int
}

// Probe measures a service that is slow at first, for ten probes.
func (s *service) Probe(context.Context) (autoscale.Sample, error) {
	latency := 1500 * time.Millisecond
	if s.probes++; s.probes > 10 {
		latency = 300 * time.Millisecond
	}
	return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: latency}, nil
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	s.size = max(s.size, 1)
	return autoscale.Capacity{Desired: s.size}, nil
}

func (s *service) Scale(_ context.Context, size int) error {
	s.size = size
	return nil
}
