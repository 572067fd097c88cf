package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// frameTime is how often the view is redrawn.
const frameTime = 100 * time.Millisecond

// play runs the script and shows it to v. It leaves no process and no file.
func play(ctx context.Context, s script, v view) (err error) {
	dir, err := os.MkdirTemp("", "autoscale-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	st := &story{script: s, start: time.Now()}
	p, err := newPlatform(s, dir, st)
	if err != nil {
		return err
	}
	defer p.Close()
	defer v.close()

	crowd := newPeople(s, p.app.WebURL())
	look := func() scene { return st.scene(p, crowd) }

	v.begin(look())
	if err := watch(ctx, p, look, v, scene.serves); err != nil {
		return err
	}
	start := st.restart()
	if s.release {
		defer p.release().Stop()
	}
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
		p.Close()
		<-gone
		return err
	}
	<-gone
	last := look()
	v.show(last)
	r := st.report(p, crowd)
	v.end(last, r)
	return r.verdict(s)
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
