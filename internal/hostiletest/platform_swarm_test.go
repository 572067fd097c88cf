package hostiletest_test

import (
	"context"

	"github.com/autoscalebot/autoscale"
	options "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// swarmDoors are swarm.NewClient, swarm.Client.Scaler and swarm.Scaler.
var swarmDoors = []door{
	{"swarm Capacity", scaler(ofSwarm, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"swarm Scale", scaler(ofSwarm, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
}

func ofSwarm(o *options.Options) autoscale.Scaler { return swarm.NewClient("", o).Scaler("web") }
