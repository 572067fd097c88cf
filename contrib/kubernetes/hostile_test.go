package kubernetes_test

import (
	"context"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
)

// doors has a line for each way by which the package asks a server.
var doors = []struct {
	name string
	call func(ctx context.Context, c *kubernetes.Client) error
}{
	{"Capacity", func(ctx context.Context, c *kubernetes.Client) error {
		_, err := c.Scaler("deployment/web", nil).Capacity(ctx)
		return err
	}},
	{"Capacity of an unknown kind", func(ctx context.Context, c *kubernetes.Client) error {
		_, err := c.Scaler("workers.example.com/web", nil).Capacity(ctx)
		return err
	}},
	{"Scale", func(ctx context.Context, c *kubernetes.Client) error {
		return c.Scaler("deployment/web", nil).Scale(ctx, 3)
	}},
}

// Each call ends at its deadline, with a short text on one line, whatever the server does.
func TestHostileServers(t *testing.T) {
	const (
		patience = time.Second
		grace    = 10 * time.Second
	)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hostiletest.Certificate().Certificate[0]})
	behaviors := hostiletest.Behaviors()
	for _, code := range []int{0, 99, 100, 101, 200, 204, 206, 299, 301, 304, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 599, 999} {
		behaviors = append(behaviors, hostiletest.Status(code))
	}
	room := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for _, b := range behaviors {
		for _, door := range doors {
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				server := hostiletest.Serve(b)
				defer server.Close()
				config := &rest.Config{Host: server.URL, BearerToken: token}
				if strings.HasPrefix(server.URL, "https") {
					config.TLSClientConfig = rest.TLSClientConfig{CAData: ca}
				}
				c := kubernetes.FromConfig(config, &kubernetes.Options{AttemptTimeout: patience / 2})
				defer c.CloseIdleConnections()
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				began := time.Now()
				err := door.call(ctx, c)
				switch took := time.Since(began); {
				case err == nil:
					t.Errorf("%s, %s: no error", door.name, b.Name)
				case took > patience+grace:
					t.Errorf("%s, %s: took %v", door.name, b.Name, took)
				case len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), unicode.IsControl):
					t.Errorf("%s, %s: %.300q", door.name, b.Name, err)
				case strings.Contains(err.Error(), token):
					t.Errorf("%s, %s: the token is shown", door.name, b.Name)
				}
				var e *kubernetes.Error
				if !errors.As(err, &e) {
					t.Errorf("%s, %s: %T", door.name, b.Name, err)
				}
			})
		}
	}
	wg.Wait()
}
