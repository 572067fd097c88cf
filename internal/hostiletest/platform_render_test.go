package hostiletest_test

import (
	"context"

	options "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/render"
)

// renderDoors are render.NewClient, render.Client.Scaler and render.Scaler.
var renderDoors = []door{
	{"render Capacity", func(ctx context.Context, url string) ([]any, error) {
		c := render.NewClient(token, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		_, err := c.Scaler("srv-a").Capacity(ctx)
		return nil, err
	}},
	{"render Scale", func(ctx context.Context, url string) ([]any, error) {
		c := render.NewClient(token, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		return nil, c.Scaler("srv-a").Scale(ctx, 3)
	}},
}
