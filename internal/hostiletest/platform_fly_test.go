package hostiletest_test

import (
	"context"

	"github.com/autoscalebot/autoscale"
	platforms "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
)

var flyDoors = []door{
	{"fly Capacity", scaler(ofFly, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"fly Scale", scaler(ofFly, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
}

func ofFly(o *platforms.Options) autoscale.Scaler {
	return fly.NewClient(token, o).Scaler("shop", "web")
}
