// Package kpa puts Knative's own autoscaler, unchanged from
// knative.dev/serving/pkg/autoscaler, in the place of a simulation's controller.
//
// The rule (the stable and the panic window, its modes and its limits) is the
// UniScaler of Knative's package scaling, and the windows are averaged by the
// MetricCollector of its package metrics; neither is changed. What this package
// supplies is what they read: how many pods are ready, and the concurrency in
// the whole service of each second, which Knative's queue proxies would report.
//
// It is given the simulation's time. The real clock is read in one place, for an
// autoscaler that starts with more than one pod ready and therefore in panic; it
// is told of none until it is made, so that it begins like that of a new
// revision.
package kpa

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/autoscaler/metrics"
	"knative.dev/serving/pkg/autoscaler/scaling"

	"github.com/autoscalebot/autoscale/sim"
)

// The defaults of Knative's ConfigMap config-autoscaler.
const (
	TickInterval     = 2 * time.Second
	StableWindow     = time.Minute
	PanicWindow      = StableWindow / 10 // panic-window-percentage
	PanicThreshold   = 2.0               // panic-threshold-percentage
	MaxScaleUpRate   = 1000.0
	MaxScaleDownRate = 2.0
	BurstCapacity    = 211.0 // target-burst-capacity
)

const (
	namespace = "default"
	name      = "web"
)

// Controller is a sim.Controller that is Knative's autoscaler. Stop it after use.
type Controller struct {
	target    float64
	collector *metrics.MetricCollector
	scaler    scaling.UniScaler
	ready     int
}

// New returns the controller of a revision whose target is a share of the
// container concurrency, which is the number of slots of a process.
func New(target float64) *Controller {
	return &Controller{target: target}
}

// Interval returns how often Knative's autoscaler looks.
func (c *Controller) Interval() time.Duration { return TickInterval }

// ReadyCount returns how many pods are ready.
func (c *Controller) ReadyCount() (int, error) { return c.ready, nil }

// NotReadyCount is not asked for by the autoscaler.
func (c *Controller) NotReadyCount() (int, error) { return 0, nil }

// start makes the real autoscaler.
func (c *Controller) start(slots float64) error {
	logger := zap.NewNop().Sugar()
	c.collector = metrics.NewMetricCollector(func(*v1alpha1.Metric, *zap.SugaredLogger) (metrics.StatsScraper, error) {
		return nil, nil // what it would scrape is recorded by Tick
	}, logger)
	err := c.collector.CreateOrUpdate(&v1alpha1.Metric{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.MetricSpec{StableWindow: StableWindow, PanicWindow: PanicWindow, ScrapeTarget: name},
	})
	c.scaler = scaling.New(context.Background(), namespace, name, c.collector, c, &scaling.DeciderSpec{
		MaxScaleUpRate: MaxScaleUpRate, MaxScaleDownRate: MaxScaleDownRate,
		ScalingMetric: autoscaling.Concurrency, TargetValue: c.target * slots, TotalValue: slots,
		TargetBurstCapacity: BurstCapacity, PanicThreshold: PanicThreshold, StableWindow: StableWindow,
		InitialScale: 1, Reachable: true,
	})
	return err
}

// Tick records what the seconds since the last tick showed, and returns what the
// real autoscaler makes of it. A revision has one pod at least here.
func (c *Controller) Tick(_ context.Context, now time.Time, v *sim.View) (int, error) {
	if c.scaler == nil {
		if err := c.start(float64(v.Slots)); err != nil {
			return 0, fmt.Errorf("kpa: %w", err)
		}
	}
	c.ready = v.Ready
	last, both := v.Recent(time.Second).InFlight, v.Recent(TickInterval).InFlight
	c.record(now.Add(-time.Second), 2*both-last)
	c.record(now, last)
	r := c.scaler.Scale(zap.NewNop().Sugar(), now)
	if !r.ScaleValid {
		return v.Desired, nil
	}
	return max(1, int(r.DesiredPodCount)), nil
}

func (c *Controller) record(at time.Time, concurrency float64) {
	c.collector.Record(types.NamespacedName{Namespace: namespace, Name: name}, at, metrics.Stat{AverageConcurrentRequests: max(0, concurrency)})
}

// Stop ends the real collector.
func (c *Controller) Stop() {
	if c.collector != nil {
		c.collector.Delete(namespace, name)
	}
}
