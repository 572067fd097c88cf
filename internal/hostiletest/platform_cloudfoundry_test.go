package hostiletest_test

import (
	"context"

	options "github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
)

// cloudfoundryDoors are cloudfoundry.NewClient, cloudfoundry.Client.Scaler and
// cloudfoundry.Scaler, where the API's root or UAA is hostile. With a token, what is hostile
// is the same client of package calls.
var cloudfoundryDoors = []door{
	{"cloudfoundry Capacity", func(ctx context.Context, url string) ([]any, error) {
		c := cloudfoundry.NewClient(cloudfoundry.Credentials{RefreshToken: token}, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		_, err := c.Scaler("00000000-0000-0000-0000-000000000000", "web").Capacity(ctx)
		return nil, err
	}},
	{"cloudfoundry Scale", func(ctx context.Context, url string) ([]any, error) {
		c := cloudfoundry.NewClient(cloudfoundry.Credentials{ClientID: "autoscale", ClientSecret: token, UAAURL: url}, &options.Options{BaseURL: url})
		defer c.CloseIdleConnections()
		return nil, c.Scaler("00000000-0000-0000-0000-000000000000", "web").Scale(ctx, 3)
	}},
}
