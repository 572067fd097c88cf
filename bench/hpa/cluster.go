package hpa

import (
	"context"
	"fmt"
	"sync"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"github.com/autoscalebot/autoscale/sim"
)

const (
	namespace = "default"
	name      = "web"
	selector  = "app=web"
)

// cluster is what the controller sees of Kubernetes. It is read and written by
// turns, never at the same time: the controller works only while Tick waits. That
// a timer woke both is no order in the memory model, so that what Tick shows is
// handed over under a lock at the first thing that the controller asks for.
//
// The interfaces that are embedded are nil: of them the controller calls only
// what is defined here.
type cluster struct {
	meta.RESTMapper

	handover sync.Mutex
	hpa      *autoscalingv2.HorizontalPodAutoscaler
	handler  cache.ResourceEventHandler
	replicas int32
	pods     []*corev1.Pod
	usage    []int64 // of the pods that are ready, in thousandths of a core
	at       time.Time

	reads int // of the scale: one each reconciliation
	names []string
}

func newCluster(hpa *autoscalingv2.HorizontalPodAutoscaler) *cluster { return &cluster{hpa: hpa} }

// show makes the cluster what the simulated service is.
func (k *cluster) show(v *sim.View, at time.Time) {
	k.handover.Lock()
	defer k.handover.Unlock()
	k.at, k.replicas = at, int32(v.Desired)
	k.pods, k.usage = k.pods[:0], k.usage[:0]
	request := corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(v.Slots), resource.DecimalSI)}
	for _, p := range v.Processes(MetricResolution) {
		since := metav1.NewTime(at.Add(-p.Age))
		k.add(corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: &since,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: since}},
		}, request)
		k.usage = append(k.usage, int64(p.Utilization*float64(v.Slots)*1000))
	}
	for range v.Desired - v.Ready {
		k.add(corev1.PodStatus{Phase: corev1.PodPending}, request)
	}
}

func (k *cluster) add(status corev1.PodStatus, request corev1.ResourceList) {
	if len(k.names) == len(k.pods) {
		k.names = append(k.names, fmt.Sprintf("%s-%d", name, len(k.names)))
	}
	k.pods = append(k.pods, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: k.names[len(k.pods)], Namespace: namespace, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: name, Resources: corev1.ResourceRequirements{Requests: request}}}},
		Status:     status,
	})
}

// The metrics server.

func (k *cluster) GetResourceMetric(context.Context, corev1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	out := make(metrics.PodMetricsInfo, len(k.usage))
	for i, usage := range k.usage {
		out[k.pods[i].Name] = metrics.PodMetric{Timestamp: k.at, Window: MetricResolution, Value: usage}
	}
	return out, k.at, nil
}

func (k *cluster) GetRawMetric(string, string, labels.Selector, labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	return nil, time.Time{}, errUnexpected
}

func (k *cluster) GetObjectMetric(string, string, *autoscalingv2.CrossVersionObjectReference, labels.Selector) (int64, time.Time, error) {
	return 0, time.Time{}, errUnexpected
}

func (k *cluster) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	return nil, time.Time{}, errUnexpected
}

// The scale subresource.

func (k *cluster) RESTMappings(schema.GroupKind, ...string) ([]*meta.RESTMapping, error) {
	return []*meta.RESTMapping{{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}}}, nil
}

func (k *cluster) Scales(string) scale.ScaleInterface { return scales{cluster: k} }

type scales struct {
	scale.ScaleInterface
	cluster *cluster
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	k := s.cluster
	k.handover.Lock()
	defer k.handover.Unlock()
	k.reads++
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: k.replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: int32(len(k.pods)), Selector: selector},
	}, nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, to *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.cluster.replicas = to.Spec.Replicas
	return to, nil
}

// The autoscaler's own object, and its status.

func (k *cluster) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return hpas{cluster: k}
}

type hpas struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	cluster *cluster
}

func (h hpas) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	h.cluster.hpa = hpa
	return hpa, nil
}

type informer struct{ cluster *cluster }

func (i informer) Informer() cache.SharedIndexInformer { return shared{cluster: i.cluster} }

func (i informer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return hpaLister{cluster: i.cluster}
}

type hpaLister struct {
	autoscalinglisters.HorizontalPodAutoscalerLister
	autoscalinglisters.HorizontalPodAutoscalerNamespaceLister
	cluster *cluster
}

func (l hpaLister) List(labels.Selector) ([]*autoscalingv2.HorizontalPodAutoscaler, error) {
	return []*autoscalingv2.HorizontalPodAutoscaler{l.cluster.hpa}, nil
}

func (l hpaLister) HorizontalPodAutoscalers(string) autoscalinglisters.HorizontalPodAutoscalerNamespaceLister {
	return l
}

func (l hpaLister) Get(string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return l.cluster.hpa, nil
}

// The pods.

type pods struct{ cluster *cluster }

func (p pods) Informer() cache.SharedIndexInformer { return shared{cluster: p.cluster} }
func (p pods) Lister() corelisters.PodLister       { return podLister{cluster: p.cluster} }

type podLister struct {
	corelisters.PodLister
	corelisters.PodNamespaceLister
	cluster *cluster
}

func (l podLister) Pods(string) corelisters.PodNamespaceLister { return l }

func (l podLister) List(labels.Selector) ([]*corev1.Pod, error) { return l.cluster.pods, nil }

func (l podLister) Get(string) (*corev1.Pod, error) { return nil, errUnexpected }

// shared is an informer whose cache is always in step.
type shared struct {
	cache.SharedIndexInformer
	cluster *cluster
}

func (s shared) HasSynced() bool { return true }

func (s shared) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	s.cluster.handler = h
	return nil, nil
}

// The events that it tells, which nobody reads: a warning, as that no pod has a
// metric yet, is part of how it works.

func (k *cluster) Events(string) coreclient.EventInterface { return events{} }

type events struct{ coreclient.EventInterface }

func (events) CreateWithEventNamespace(event *corev1.Event) (*corev1.Event, error) {
	return event, nil
}

func (events) PatchWithEventNamespace(event *corev1.Event, _ []byte) (*corev1.Event, error) {
	return event, nil
}
