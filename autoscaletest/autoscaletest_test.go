package autoscaletest_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/notify"
)

func TestHerokuScaler(t *testing.T) {
	platform := herokutest.NewServer()
	defer platform.Close()
	app := platform.AddApp(herokutest.AppConfig{
		Name:      "quiet-river",
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
	})
	client := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: platform.URL})
	defer client.CloseIdleConnections()
	autoscaletest.Scaler(t, client.Scaler("quiet-river", "web"), autoscaletest.ScalerOptions{
		Fail: func(fail bool) {
			platform.ClearFaults()
			if fail {
				platform.Inject(herokutest.Fault{Status: 404, Times: -1})
			}
		},
		Busy: func(busy bool) {
			platform.ClearFaults()
			if busy {
				platform.Inject(herokutest.Busy())
			}
		},
		Limit: func(most int) { app.SetLimit(most) },
	})
}

// memory is a platform that can do all that a Scaler may say.
type memory struct {
	size, most                               int
	failing, busy, deploying, rival, partial bool
}

func (m *memory) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	if err := ctx.Err(); err != nil || m.failing {
		return autoscale.Capacity{}, cmp.Or(err, errRefused)
	}
	c := autoscale.Capacity{Desired: m.size, PendingKnown: true, Deploying: m.deploying}
	if m.rival {
		c.ExternalAutoscaler = "a rival"
	}
	return c, nil
}

func (m *memory) Scale(ctx context.Context, size int) error {
	switch from := m.size; {
	case ctx.Err() != nil:
		return ctx.Err()
	case m.failing || size < 0:
		return errRefused
	case m.busy || m.deploying:
		return &autoscale.BusyError{Err: errRefused}
	case m.most > 0 && size > m.most:
		return &autoscale.LimitError{Size: size, Limit: m.most, Err: errRefused}
	case m.partial && size > from+1:
		m.size, m.partial = from+1, false
		return &autoscale.PartialError{Size: size, Reached: m.size, Err: errRefused}
	}
	m.size = size
	return nil
}

func TestScaler(t *testing.T) {
	m := new(memory)
	autoscaletest.Scaler(t, m, autoscaletest.ScalerOptions{
		Fail:      func(fail bool) { m.failing = fail },
		Busy:      func(busy bool) { m.busy = busy },
		Deploying: func(deploying bool) { m.deploying = deploying },
		Rival:     func(on bool) { m.rival = on },
		Limit:     func(most int) { m.most = most },
		Partial:   func() { m.partial = true },
	})
}

func TestRecorder(t *testing.T) {
	var r notify.Recorder
	autoscaletest.Notifier(t, &r, autoscaletest.NotifierOptions{
		Received: func() int { return len(r.Events()) },
		Fail: func(fail bool) {
			if fail {
				r.FailNext(errRefused)
			}
		},
		Secrets: []string{"Hunter2"},
	})
}

type refused struct{}

func (refused) Error() string { return "the other side refuses" }

var errRefused error = refused{}

// A test of a Scaler calls the suite with its own *testing.T. The tests of package leader
// do the same with Elector.
func Example() {
	TestMyScaler := func(t *testing.T) {
		var mine autoscale.Scaler // the implementation
		autoscaletest.Scaler(t, mine, autoscaletest.ScalerOptions{Within: 5 * time.Second})
	}
	_ = TestMyScaler
	// Output:
}
