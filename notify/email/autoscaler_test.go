package email_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/email"
)

// The picture of a mail comes from the Autoscaler that sends it, while its tick waits for
// the mail.
func TestPictureFromTheAutoscaler(t *testing.T) {
	s := new(smtpServer).start(t)
	var a *autoscale.Autoscaler
	c := config(s, "smtp", "", "")
	c.History = func(ctx context.Context) (*history.Log, error) { return a.History(ctx) }
	a = autoscale.New(autoscale.Config{
		Name: "web", Min: autoscale.Fixed(1), Max: autoscale.Fixed(2), NotifyOn: autoscale.NeedsAboveMax, Notifiers: []autoscale.Notifier{email.New(c)},
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 3 * time.Second}, nil
		}),
		Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 5} }),
		Scaler:  new(scaler),
	})
	for i := range 10 {
		if _, err := a.Tick(t.Context(), nine.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	got := s.taken()
	if len(got) != 1 {
		t.Fatalf("%d mails were sent", len(got))
	}
	_, subject, all := readAll(t, got[0].text)
	if subject != "[autoscale] web: more than 2 processes are needed" || !strings.Contains(all["text/plain"].body, "The latency was always 3.0s.") {
		t.Errorf("%s\n%s", subject, all["text/plain"].body)
	}
}

// scaler is a platform that obeys.
type scaler struct{ size int }

func (s *scaler) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: max(s.size, 1)}, nil
}

func (s *scaler) Scale(_ context.Context, size int) error { s.size = size; return nil }
