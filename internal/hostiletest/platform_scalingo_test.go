package hostiletest_test

import (
	"context"

	options "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/scalingo"
)

// scalingoDoors are scalingo.NewClient, scalingo.Client.Scaler and scalingo.Scaler.
var scalingoDoors = []door{
	{"scalingo Capacity", func(ctx context.Context, url string) ([]any, error) {
		c := scalingo.NewClient(token, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		_, err := c.Scaler("shop", "web").Capacity(ctx)
		return nil, err
	}},
	{"scalingo Scale", func(ctx context.Context, url string) ([]any, error) {
		c := scalingo.NewClient(token, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		return nil, c.Scaler("shop", "web").Scale(ctx, 3)
	}},
}
