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
