package kubernetes_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/leader"
)

// leaseDoors has a line for each way by which Client.Elector, Client.Fleet and PodBoard ask a
// server.
var leaseDoors = []struct {
	name string
	call func(ctx context.Context, c *kubernetes.Client) error
}{
	{"Elector.Run", func(ctx context.Context, c *kubernetes.Client) error {
		return hostileElector(c).Run(ctx)
	}},
	{"Elector.Command", func(ctx context.Context, c *kubernetes.Client) error {
		return hostileElector(c).Command(ctx, []byte("pause"))
	}},
	{"Elector.History", func(ctx context.Context, c *kubernetes.Client) error {
		e := hostileElector(c)
		_, err := e.History(ctx)
		return errors.Join(err, e.Refresh(ctx))
	}},
	{"Elector.Save", func(ctx context.Context, c *kubernetes.Client) error {
		l, claim := kubernetes.NewLease(c), leader.Claim{Name: "web", Holder: "a", TTL: time.Second}
		_, _, err := l.Acquire(ctx, claim, leader.Row{}, true)
		_, _, err2 := l.Renew(ctx, claim, 0)
		_, err3 := l.Save(ctx, claim, []byte("state"), 1)
		return errors.Join(err, err2, err3, l.Release(ctx, claim))
	}},
	{"Fleet.Run", func(ctx context.Context, c *kubernetes.Client) error {
		return c.Fleet(func(kubernetes.Target) (autoscale.Config, error) {
			return autoscale.Config{}, errors.New("no target is expected")
		}, &kubernetes.FleetOptions{Worker: "w", TTL: 5 * time.Second, Logger: quiet}).Run(ctx)
	}},
	{"PodBoard.Read", func(ctx context.Context, c *kubernetes.Client) error {
		b := c.PodBoard("web", &kubernetes.PodBoardOptions{Token: hostilePodToken})
		defer b.CloseIdleConnections()
		_, err := b.Read(ctx, time.Minute)
		return err
	}},
}

const hostilePodToken = "a token of thirty-two characters"

// A pod that is hostile costs no more than its own report, and its words are cut.
func TestHostilePods(t *testing.T) {
	s := newServer(t)
	room := make(chan struct{}, 32)
	var wg sync.WaitGroup
	for i, b := range hostiletest.Behaviors() {
		if b.TLS || b.H2 {
			continue // a pod is asked in plain HTTP
		}
		server := hostiletest.Serve(b)
		t.Cleanup(server.Close)
		host, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		service := fmt.Sprint("web-", i)
		s.Put(map[string]any{
			"kind":        "EndpointSlice",
			"metadata":    map[string]any{"name": service, "labels": map[string]any{"kubernetes.io/service-name": service}},
			"addressType": "IPv4", "ports": []any{map[string]any{"port": n, "protocol": "TCP"}},
			"endpoints": []any{map[string]any{"addresses": []any{host}, "conditions": map[string]any{"ready": true, "serving": true}}},
		})
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			board := tokenClient(t, s, kubetest.Token).PodBoard(service, &kubernetes.PodBoardOptions{Token: hostilePodToken, Timeout: time.Second})
			defer board.CloseIdleConnections()
			done := make(chan error, 1)
			go func() {
				reports, err := board.Read(t.Context(), time.Minute)
				if len(reports) > 0 {
					err = fmt.Errorf("%d reports", len(reports))
				} else if err == nil {
					err = errors.New("no error") // a pod that answers nothing useful
				}
				done <- err
			}()
			select {
			case err := <-done:
				hostiletest.Text(t, "PodBoard of a pod: "+b.Name, fmt.Sprint(err), hostiletest.MaxCall, token)
				if strings.HasSuffix(err.Error(), "reports") || err.Error() == "no error" {
					t.Errorf("PodBoard of a pod: %s: %v", b.Name, err)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("PodBoard of a pod: %s: Read did not end", b.Name)
			}
		})
	}
	wg.Wait()
}

func hostileElector(c *kubernetes.Client) *kubernetes.Elector {
	return c.Elector(&leader.Options{Name: "web", TTL: 3 * time.Second, Logger: quiet})
}

// Each call to keep a lease ends at its deadline and when its context ends, and says what is
// wrong in a short text, whatever the server does.
func TestHostileLease(t *testing.T) {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hostiletest.Certificate().Certificate[0]})
	behaviors := hostiletest.Behaviors()
	for _, code := range []int{0, 99, 100, 101, 200, 201, 204, 301, 304, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 599, 999} {
		behaviors = append(behaviors, hostiletest.Status(code))
	}
	for _, body := range []string{`{}`, `[]`, `null`, `{"metadata":{"name":"` + strings.Repeat(`\u001b`, 10_000) + `","resourceVersion":"1"},"spec":{"holderIdentity":"` + strings.Repeat(`\u001b`, 10_000) + `"}}`} {
		behaviors = append(behaviors, hostiletest.Behavior{Name: "the answer " + body[:2], Do: hostiletest.Once("", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)).Do})
	}
	room := make(chan struct{}, 48)
	var wg sync.WaitGroup
	for _, b := range behaviors {
		server := hostiletest.Serve(b)
		t.Cleanup(server.Close)
		for _, door := range leaseDoors {
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				config := &rest.Config{Host: server.URL, BearerToken: token}
				if b.TLS || b.H2 {
					config.CAData = ca
				}
				c := kubernetes.FromConfig(config, nil)
				defer c.CloseIdleConnections()
				hostiletest.Ends(t, door.name+": "+b.Name, token, func(ctx context.Context) error { return door.call(ctx, c) })
			})
		}
	}
	wg.Wait()
}

// An Elector does not show the credentials of its Client, however it is formatted.
func TestElectorShowsNoSecret(t *testing.T) {
	e := kubernetes.FromConfig(&rest.Config{Host: "http://127.0.0.1:1", BearerToken: token}, nil).Elector(&leader.Options{Name: "web"})
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, v := range []any{e, []any{e}, e.Elector, struct{ E any }{e}} {
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "d"} {
			fmt.Fprintf(&out, "%"+verb+"\n", v)
		}
		log.Info("m", "v", v)
		text, _ := json.Marshal(v)
		out.Write(text)
	}
	if strings.Contains(out.String(), token) || strings.Contains(out.String(), fmt.Sprintf("%x", token)) {
		t.Error("the token shows")
	}
}
