package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
)

// A Platform describes how the simulated platform takes the orders of an [Autoscaler].
// The zero value takes each order at once and in full.
type Platform struct {
	// Deployments are the times in which a deployment is under way and the platform
	// reports it: see autoscale.Capacity.Deploying.
	Deployments []Outage

	// Busy are the times in which every order is refused with an autoscale.BusyError.
	Busy []Outage

	// AtOnce is the most processes that one order adds or removes. An order for more ends
	// with an autoscale.PartialError. 0: any number.
	AtOnce int

	// Redeploys means that each order is a deployment: see autoscale.Redeployer. The
	// Config's Scaler may also report this.
	Redeploys bool

	// Tolerance, from 0 to below 1, is the tolerance of the autoscaler that carries out
	// the published size of a Config with RecommendOnly. For a HorizontalPodAutoscaler it
	// is 0.1 by default. The size is carried out right after each tick.
	Tolerance float64
}

func (p Platform) validate() error {
	errs := []error{validOutages("Signals.Platform.Deployments", p.Deployments), validOutages("Signals.Platform.Busy", p.Busy)}
	if p.AtOnce < 0 {
		errs = append(errs, fmt.Errorf("Signals.Platform.AtOnce is %d: it must be above 0, or 0 for any number", p.AtOnce))
	}
	if !(p.Tolerance >= 0 && p.Tolerance < 1) {
		errs = append(errs, fmt.Errorf("Signals.Platform.Tolerance is %v: it must be from 0 to below 1, a share of the size", p.Tolerance))
	}
	return errors.Join(errs...)
}

// follow returns the size that another autoscaler orders for the published size.
//
// Source: GetExternalPerPodMetricReplicas and Tolerances.isWithin in Kubernetes'
// replica_calculator.go, for a target of 1.
func (p Platform) follow(size, published int) int {
	if ratio := float64(published) / float64(size); size > 0 && 1-p.Tolerance <= ratio && ratio <= 1+p.Tolerance {
		return size
	}
	return published
}

// simulated is the Scaler.
type simulated controller

func (s *simulated) Capacity(context.Context) (autoscale.Capacity, error) {
	v := s.view
	return autoscale.Capacity{
		Desired: v.Desired, Pending: max(0, v.Desired-v.Ready), PendingKnown: true, Changed: v.Changed,
		Deploying: out(s.signals.Platform.Deployments, v.e.now),
	}, nil
}

func (s *simulated) Scale(_ context.Context, size int) error {
	p, v := &s.signals.Platform, s.view
	if out(p.Busy, v.e.now) || out(p.Deployments, v.e.now) {
		return &autoscale.BusyError{Err: errors.New("sim: a deployment is in flight")}
	}
	s.size = size
	if p.AtOnce > 0 {
		s.size = min(max(size, v.Desired-p.AtOnce), v.Desired+p.AtOnce)
	}
	if s.size != size {
		return &autoscale.PartialError{Size: size, Reached: s.size, Err: fmt.Errorf("sim: no more than %d at once", p.AtOnce)}
	}
	return nil
}

func (s *simulated) Redeploys() bool { return s.signals.Platform.Redeploys || s.redeploys }
