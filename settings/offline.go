package settings

import (
	"context"
	"errors"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
)

// errOffline is the error of the Scaler that Options.Offline makes.
var errOffline = errors.New("settings: nothing is called, because Options.Offline is set")

type offlineScaler struct{}

func (offlineScaler) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{}, errOffline
}

func (offlineScaler) Scale(context.Context, int) error { return errOffline }

func (l *loader) scaler(v *values, client *heroku.Client) autoscale.Scaler {
	if l.offline {
		return offlineScaler{}
	}
	return namedScaler{v.scaler(client)}
}
