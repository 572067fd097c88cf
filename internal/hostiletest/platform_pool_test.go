package hostiletest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	platforms "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/pool"
)

var poolDoors = []door{
	{"pool Capacity", scaler(ofPool, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"pool Scale", scaler(ofPool, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
}

func ofPool(o *platforms.Options) autoscale.Scaler { return pool.NewClient(token, o).Scaler() }

// scaler returns the call of a platform's Scaler, and what its error keeps of others' texts.
func scaler(make func(*platforms.Options) autoscale.Scaler, call func(context.Context, autoscale.Scaler) error) func(context.Context, string) ([]any, error) {
	return func(ctx context.Context, url string) ([]any, error) {
		s := make(&platforms.Options{BaseURL: url})
		defer s.(autoscale.IdleCloser).CloseIdleConnections()
		err := call(ctx, s)
		var e *platforms.Error
		if errors.As(err, &e) {
			return []any{e.Code, e.Message, e.RequestID, fmt.Sprintf("%+v", *e)}, err
		}
		return nil, err
	}
}
