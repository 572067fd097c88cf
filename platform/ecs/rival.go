package ecs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	targetScalable = "AnyScaleFrontendService.DescribeScalableTargets"

	// rivalAge is the time after which the scalable target is read again. With a tick every
	// 30 seconds, that is every twentieth tick, whatever the jitter.
	rivalAge = 10*time.Minute - 15*time.Second

	// rivalTrust is for how long the target counts as registered after that was last seen.
	rivalTrust = 30 * time.Minute

	// rivalRetry is the time after which a failed lookup is tried again.
	rivalRetry = time.Minute - 5*time.Second

	// rivalPatience bounds a lookup, because the rest of a tick is more urgent.
	rivalPatience = 5 * time.Second
)

func newRival() *calls.Lookup[string] {
	return &calls.Lookup[string]{Age: rivalAge, Trust: rivalTrust, Retry: func(err error) time.Duration {
		if e := (*platform.Error)(nil); errors.As(err, &e) && e.Code == "AccessDeniedException" {
			return rivalAge
		}
		return rivalRetry
	}}
}

// lookUpRival names Application Auto Scaling if the service is registered there. A failed
// lookup is not an error.
func (s *Scaler) lookUpRival(ctx context.Context, v *service) string {
	name, _ := s.rival.Get(ctx, func(ctx context.Context) (string, error) {
		return s.readRival(ctx, "service/"+last(s.cluster)+"/"+v.Name)
	})
	return name
}

// readRival asks once.
func (s *Scaler) readRival(ctx context.Context, resource string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, min(calls.Patience(ctx)/4, rivalPatience))
	defer cancel()
	call := call("read the scalable target", s.subject(), targetScalable, map[string]any{
		"ServiceNamespace": "ecs", "ResourceIds": []string{resource}, "ScalableDimension": "ecs:service:DesiredCount",
	}, calls.Urgent)
	call.Once = true
	var answer struct {
		Targets []struct {
			ResourceID string `json:"ResourceId"`
			Min        *int   `json:"MinCapacity"`
			Max        *int   `json:"MaxCapacity"`
			Suspended  struct {
				In        bool `json:"DynamicScalingInSuspended"`
				Out       bool `json:"DynamicScalingOutSuspended"`
				Scheduled bool `json:"ScheduledScalingSuspended"`
			} `json:"SuspendedState"`
		} `json:"ScalableTargets"`
	}
	if err := s.client.rivals.Do(ctx, call, &answer); err != nil {
		return "", err
	}
	if answer.Targets == nil {
		return "", errors.New("the answer has no ScalableTargets")
	}
	for _, t := range answer.Targets {
		if t.ResourceID != resource || t.Suspended.In && t.Suspended.Out && t.Suspended.Scheduled {
			continue
		}
		bounds := ""
		if t.Min != nil && t.Max != nil {
			bounds = fmt.Sprintf(" (%d to %d tasks)", *t.Min, *t.Max)
		}
		return "Application Auto Scaling" + bounds + ", which `aws application-autoscaling deregister-scalable-target` removes", nil
	}
	return "", nil
}
