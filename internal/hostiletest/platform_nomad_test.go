package hostiletest_test

import (
	"context"

	"github.com/autoscalebot/autoscale"
	platforms "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
)

var nomadDoors = []door{
	{"nomad Capacity", scaler(ofNomad, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"nomad Scale", scaler(ofNomad, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
}

func ofNomad(o *platforms.Options) autoscale.Scaler {
	return nomad.NewClient(token, o).Scaler(nomad.Group{Job: "shop", Name: "web"})
}
