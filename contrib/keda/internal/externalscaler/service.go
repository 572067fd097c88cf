// Package externalscaler is KEDA's external scaler protocol: the generated messages, and
// the service.
package externalscaler

import (
	"context"

	"google.golang.org/grpc"
)

//go:generate sh -c "cd ../../../.. && protoc --go_out=. --go_opt=paths=source_relative contrib/keda/internal/externalscaler/messages.proto"

// ServiceName is the name by which KEDA calls the service.
const ServiceName = "externalscaler.ExternalScaler"

// A Service answers KEDA. The protocol also has StreamMetricSpec, which is optional. grpc
// answers it with codes.Unimplemented, and KEDA then asks GetMetricSpec.
type Service interface {
	IsActive(context.Context, *ScaledObjectRef) (*IsActiveResponse, error)
	StreamIsActive(*ScaledObjectRef, grpc.ServerStreamingServer[IsActiveResponse]) error
	GetMetricSpec(context.Context, *ScaledObjectRef) (*GetMetricSpecResponse, error)
	GetMetrics(context.Context, *GetMetricsRequest) (*GetMetricsResponse, error)
}

// Register adds s to a server.
func Register(r grpc.ServiceRegistrar, s Service) { r.RegisterService(&desc, s) }

var desc = grpc.ServiceDesc{
	ServiceName: ServiceName,
	HandlerType: (*Service)(nil),
	Methods: []grpc.MethodDesc{
		unary("IsActive", Service.IsActive),
		unary("GetMetricSpec", Service.GetMetricSpec),
		unary("GetMetrics", Service.GetMetrics),
	},
	Streams: []grpc.StreamDesc{{
		StreamName: "StreamIsActive",
		Handler: func(srv any, stream grpc.ServerStream) error {
			in := new(ScaledObjectRef)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			return srv.(Service).StreamIsActive(in, &grpc.GenericServerStream[ScaledObjectRef, IsActiveResponse]{ServerStream: stream})
		},
		ServerStreams: true,
	}},
}

// unary describes a method that takes one message and answers with one.
func unary[In, Out any](name string, call func(Service, context.Context, *In) (*Out, error)) grpc.MethodDesc {
	info := "/" + ServiceName + "/" + name
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(srv any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
			in := new(In)
			if err := decode(in); err != nil {
				return nil, err
			}
			serve := func(ctx context.Context, in any) (any, error) { return call(srv.(Service), ctx, in.(*In)) }
			if around == nil {
				return serve(ctx, in)
			}
			return around(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: info}, serve)
		},
	}
}
