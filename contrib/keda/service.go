package keda

import (
	"context"
	"time"

	"github.com/autoscalebot/autoscale/contrib/keda/internal/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// service has the methods of a Server that grpc calls. They are not methods of Server
// itself, because their messages are internal.
type service struct{ *Server }

// IsActive reports whether any process should run. If none should for the cooldownPeriod
// of the ScaledObject, and its minReplicaCount is 0, KEDA sets the size to 0.
func (s *service) IsActive(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	size, err := s.size(ref)
	if err != nil {
		return nil, err
	}
	return &externalscaler.IsActiveResponse{Result: size > 0}, nil
}

// GetMetricSpec names the metric. KEDA makes an HPA for it, which divides the sum of the
// metric's values by the target. With the target 1, it runs the published size.
func (s *service) GetMetricSpec(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	// The metric always has the same name, but an invalid trigger is reported at once.
	if _, err := s.find(ref.GetScalerMetadata()); err != nil {
		return nil, err
	}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{{
		MetricName: MetricName, TargetSize: 1, TargetSizeFloat: 1,
	}}}, nil
}

// GetMetrics returns the size to run. KEDA reads the float if that is above 0, and the int
// otherwise.
func (s *service) GetMetrics(_ context.Context, in *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	if in.GetMetricName() != MetricName {
		return nil, status.Errorf(codes.InvalidArgument, "keda: there is no metric %.80q: ask for %q", in.GetMetricName(), MetricName)
	}
	size, err := s.size(in.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{{
		MetricName: MetricName, MetricValue: int64(size), MetricValueFloat: float64(size),
	}}}, nil
}

// lookEvery is how often a stream checks whether a process should run.
const lookEvery = time.Second

// StreamIsActive sends whether any process should run, at once and when that changes. While
// the size is not known, it sends nothing, and KEDA relies on GetMetrics. StreamIsActive
// ends with the context of the stream, on Close, or if the trigger is invalid.
func (s *service) StreamIsActive(ref *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.IsActiveResponse]) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return status.Errorf(codes.ResourceExhausted, "keda: %d streams are open: raise Options.Streams if that many triggers are of type external-push", cap(s.streams))
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var known, sent bool
	for {
		size, err := s.size(ref)
		switch active := size > 0; {
		case status.Code(err) == codes.Unavailable:
		case err != nil:
			return err
		case !known || active != sent:
			if err := stream.Send(&externalscaler.IsActiveResponse{Result: active}); err != nil {
				return err
			}
			known, sent = true, active
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-s.closed:
			return nil // KEDA opens a new stream, to another pod
		case <-look.C:
		}
	}
}
