package hostiletest_test

import (
	"context"
	"time"

	"github.com/autoscalebot/autoscale"
	platforms "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
)

var cloudrunDoors = []door{
	{"cloudrun Capacity", scaler(ofCloudRun, func(ctx context.Context, s autoscale.Scaler) error { _, err := s.Capacity(ctx); return err })},
	{"cloudrun Scale", scaler(ofCloudRun, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
	{"cloudrun WorkerPool", scaler(ofWorkerPool, func(ctx context.Context, s autoscale.Scaler) error { return s.Scale(ctx, 3) })},
}

func ofCloudRun(o *platforms.Options) autoscale.Scaler {
	return cloudrun.NewClient(googleToken, o).Scaler("my-project", "europe-west1", "web")
}

func ofWorkerPool(o *platforms.Options) autoscale.Scaler {
	return cloudrun.NewClient(googleToken, o).WorkerPool("my-project", "europe-west1", "jobs")
}

func googleToken(context.Context) (string, time.Time, error) { return token, time.Time{}, nil }
