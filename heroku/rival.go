package heroku

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

const (
	// nativeAge is after how long Heroku's own autoscaling is looked at again: with
	// ticks every 30 seconds every twentieth time, whatever their jitter.
	nativeAge = 10*time.Minute - 15*time.Second

	// nativeTrust is how long it counts as switched on since it was last seen so.
	nativeTrust = 30 * time.Minute

	// nativePatience bounds a look: what else a tick has to do is more urgent.
	nativePatience = 5 * time.Second
)

// nativeName is for [autoscale.Capacity.ExternalAutoscaler], and says what to do about it.
const nativeName = "Heroku's own autoscaling, which `heroku ps:autoscale:disable` switches off"

func newNative() *calls.Lookup[bool] {
	return &calls.Lookup[bool]{Age: nativeAge, Trust: nativeTrust, Retry: func(error) time.Duration { return nativeAge }}
}

// rival names Heroku's own autoscaling if it is switched on for the process type.
func (s *Scaler) rival(ctx context.Context, f *formation) string {
	if s.client.metrics == nil || !canHaveNative(f) {
		s.native.Forget()
		return ""
	}
	// A failed look is not an error.
	if on, _ := s.native.Get(ctx, func(ctx context.Context) (bool, error) { return s.readNative(ctx, f.App.ID) }); on {
		return nativeName
	}
	return ""
}

// canHaveNative reports whether Heroku offers its own autoscaling for a process type of
// this name and size. The id goes into a path, and comes from outside.
func canHaveNative(f *formation) bool {
	size := strings.ToLower(f.Size)
	return f.Type == "web" && validUUID.MatchString(f.App.ID) &&
		slices.ContainsFunc([]string{"performance", "private", "shield"}, func(tier string) bool {
			return strings.Contains(size, tier)
		})
}

// readNative asks once.
func (s *Scaler) readNative(ctx context.Context, app string) (on bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(calls.Patience(ctx)/4, nativePatience))
	defer cancel()
	var monitors []struct {
		ActionType string `json:"action_type"`
		IsActive   *bool  `json:"is_active"`
	}
	err = s.client.metrics.Do(ctx, calls.Call{
		Op: "look for Heroku's own autoscaling", Subject: s.subject(), Path: formationPath(app, s.typ) + "/monitors", Once: true,
		Check: func() error {
			if monitors == nil {
				return errors.New("the answer is not a list")
			}
			return nil
		},
	}, &monitors)
	if err != nil {
		return false, err
	}
	for _, m := range monitors {
		switch {
		case m.ActionType != "scale":
		case m.IsActive == nil:
			err = errors.New("the answer does not say whether the monitor is active")
		case *m.IsActive:
			return true, nil
		}
	}
	return false, err
}
