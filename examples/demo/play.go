package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/notify"
	"github.com/autoscalebot/autoscale/probe"
)

// frameTime is how often the view is told.
const frameTime = 100 * time.Millisecond

// play runs the script and shows it to v. It leaves no process and no file.
func play(ctx context.Context, s script, v view) (err error) {
	dir, err := os.MkdirTemp("", "autoscale-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	st := &story{script: s, start: time.Now()}
	p, err := newPlatform(s, dir, st.say)
	if err != nil {
		return err
	}
	defer p.Close()
	defer v.close()

	told := new(notify.Recorder)
	a := autoscale.New(configure(s, p, st, told))
	crowd := newPeople(s, p.app.WebURL())
	look := func() scene { return st.scene(p, crowd, a.Status()) }

	v.begin(s)
	if err := watch(ctx, p, look, v, scene.serves); err != nil {
		return err
	}
	start := st.restart()
	scaling, stopScaling := context.WithCancel(context.Background())
	defer stopScaling()
	scaled := make(chan error, 1)
	go func() { scaled <- a.Run(scaling) }()
	coming, stopComing := context.WithCancel(context.Background())
	defer stopComing()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		crowd.come(coming, start)
	}()

	err = watch(ctx, p, look, v, scene.over)
	stopComing()
	if err != nil {
		// At once: nobody waits for the answers.
		stopScaling()
		p.Close()
		<-gone
		return errors.Join(err, <-scaled)
	}
	<-gone
	stopScaling()
	if err := <-scaled; err != nil {
		return err
	}
	last := look()
	v.show(last)
	r := st.report(p, crowd, told)
	v.end(last, r)
	return r.verdict(s)
}

// configure is the part that a program of one's own has, too. See the example
// webservice for the rest of one.
func configure(s script, p *platform, st *story, told autoscale.Notifier) autoscale.Config {
	hk := heroku.NewClient(herokutest.Token, &heroku.Options{
		BaseURL: p.api.URL,
		// The demo looks at its service thirty times as often as the default.
		CallsPerHour: 30 * heroku.DefaultCallsPerHour,
	})
	return autoscale.Config{
		Name:      processType,
		Prober:    &probe.HTTP{URL: heartbeatPath, Base: hk.WebURL(appName), Timeout: s.slow},
		Decider:   autoscale.Consecutive{Low: s.low, High: s.high, UpAfter: 3, DownAfter: 7},
		Scaler:    hk.Scaler(appName, processType),
		Min:       autoscale.Fixed(s.min),
		Max:       autoscale.Fixed(s.max),
		Interval:  s.interval,
		Notifiers: []autoscale.Notifier{told},
		NotifyOn:  autoscale.DefaultKinds | autoscale.Scaled,
		Observe:   st.observe,
		Logger:    slog.New(slog.DiscardHandler), // the view shows it all
	}
}

// watch shows what happens until it is done. It returns errStopped if ctx ends
// before.
func watch(ctx context.Context, p *platform, look func() scene, v view, done func(scene) bool) error {
	frames := time.NewTicker(frameTime)
	defer frames.Stop()
	for {
		sc := look()
		v.show(sc)
		if err := p.err(); err != nil {
			return fmt.Errorf("the local platform failed: %w", err)
		}
		if done(sc) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errStopped
		case <-frames.C:
		}
	}
}
