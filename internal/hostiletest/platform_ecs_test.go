package hostiletest_test

import (
	"context"

	"github.com/autoscalebot/autoscale"
	platforms "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/ecs"
)

var ecsDoors = []door{
	{"ecs Capacity", scaler(ofECS, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"ecs Scale", scaler(ofECS, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
	{"ecs.ContainerCredentials", func(ctx context.Context, url string) ([]any, error) {
		c, err := ecs.ContainerCredentials(url, nil)(ctx)
		return []any{c}, err
	}},
}

func ofECS(o *platforms.Options) autoscale.Scaler {
	return ecs.NewClient("eu-west-1", func(context.Context) (ecs.Credentials, error) {
		return ecs.Credentials{AccessKeyID: "AKIA", SecretAccessKey: token}, nil
	}, o).Scaler("production", "web")
}
