package autoscaletest_test

import (
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
	platform.AddApp(herokutest.AppConfig{
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
	})
}

func TestRecorder(t *testing.T) {
	var r notify.Recorder
	autoscaletest.Notifier(t, &r, autoscaletest.NotifierOptions{
		Told: func() int { return len(r.Events()) },
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

// Example shows the suite for a scaler of one's own; see the tests of the
// package leader for that of an elector.
func Example() {
	var t *testing.T // of the test
	var mine autoscale.Scaler
	_ = func() {
		autoscaletest.Scaler(t, mine, autoscaletest.ScalerOptions{Within: 5 * time.Second})
	}
	// Output:
}
