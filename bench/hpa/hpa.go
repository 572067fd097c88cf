// Package hpa puts Kubernetes' own HorizontalPodAutoscaler controller, unchanged
// from k8s.io/kubernetes/pkg/controller/podautoscaler, in the place of a
// simulation's controller.
//
// The controller is not changed and nothing of it is rewritten: its work
// queue, its reconciliation every 15 seconds, its replica calculator with the
// treatment of pods that are not ready or have no metrics, its tolerance, its
// stabilization and its scaling policies are Kubernetes' code. What this package
// supplies is the cluster around it: the pods, their CPU metrics and the scale
// subresource, all of which show the simulated service.
//
// That code reads the real clock. It must therefore run within a bubble of
// testing/synctest, whose clock this package makes follow the simulation's.
package hpa

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/autoscalebot/autoscale/sim"
)

// The defaults of kube-controller-manager's flags, and of the metrics server.
const (
	SyncPeriod              = 15 * time.Second // --horizontal-pod-autoscaler-sync-period
	DownscaleStabilization  = 5 * time.Minute  // --horizontal-pod-autoscaler-downscale-stabilization
	Tolerance               = 0.1              // --horizontal-pod-autoscaler-tolerance
	CPUInitializationPeriod = 5 * time.Minute  // --horizontal-pod-autoscaler-cpu-initialization-period
	InitialReadinessDelay   = 30 * time.Second // --horizontal-pod-autoscaler-initial-readiness-delay
	MetricResolution        = 15 * time.Second // --metric-resolution
)

// Controller is a sim.Controller that is the HorizontalPodAutoscaler. Make it
// and run it within one bubble of testing/synctest, and Stop it there.
type Controller struct {
	began   time.Time
	cluster *cluster
	running bool
	stop    context.CancelFunc
	done    chan struct{}
	synced  int
}

// New returns the controller of an autoscaler whose target is an average CPU
// utilization of target percent of what pods request, which is all that they can
// use. The other settings are Kubernetes' defaults.
func New(target int32) *Controller {
	return &Controller{began: time.Now(), cluster: newCluster(autoscaler(target))}
}

func autoscaler(target int32) *autoscalingv2.HorizontalPodAutoscaler {
	least := int32(1)
	hpa := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			MinReplicas:    &least,
			MaxReplicas:    1 << 20,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name:   corev1.ResourceCPU,
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &target},
				},
			}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{},
		},
	}
	defaults.SetDefaults_HorizontalPodAutoscaler(hpa)
	return hpa
}

// Interval returns how often the real controller looks.
func (c *Controller) Interval() time.Duration { return SyncPeriod }

// Tick shows the cluster as v does, lets the real controller reconcile, and
// returns the replicas that it set.
func (c *Controller) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	if !c.running {
		c.start()
	}
	at := c.began.Add(v.Elapsed)
	c.cluster.show(v, at)
	// Its own timer fires at the same moment as this one.
	time.Sleep(time.Until(at))
	synctest.Wait()
	if c.cluster.reads == c.synced {
		return 0, fmt.Errorf("hpa: the controller did not reconcile at %v", v.Elapsed)
	}
	c.synced = c.cluster.reads
	return int(c.cluster.replicas), nil
}

// start runs the real controller since the beginning of the simulation.
func (c *Controller) start() {
	ctx, stop := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	k := c.cluster
	real := podautoscaler.NewHorizontalController(ctx, k, k, k, k, k, informer{k}, pods{k},
		SyncPeriod, DownscaleStabilization, Tolerance, CPUInitializationPeriod, InitialReadinessDelay)
	c.running, c.stop, c.done = true, stop, make(chan struct{})
	go func() {
		defer close(c.done)
		real.Run(ctx, 1)
	}()
	synctest.Wait()
	k.handler.OnAdd(k.hpa, true)
	synctest.Wait()
}

// Stop ends the real controller.
func (c *Controller) Stop() {
	if c.running {
		c.stop()
		<-c.done
		c.running = false
	}
}

var errUnexpected = errors.New("the controller asked for something that is not simulated")
