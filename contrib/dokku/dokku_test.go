package dokku_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/dokku"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
)

func (s *server) client(o *dokku.Options) *dokku.Client {
	if o == nil {
		o = &dokku.Options{}
	}
	o.User = s.user
	return dokku.NewClient(s.addr, s.key, s.hostKey, o)
}

func TestScaler(t *testing.T) {
	s := startServer(t)
	locked := func(on bool) { s.set("lock", on) }
	autoscaletest.Scaler(t, s.client(nil).Scaler("shop", "web"), autoscaletest.ScalerOptions{
		Sizes: []int{3, 0, 1}, Busy: locked, Deploying: locked,
	})
	if got, want := s.orders(), []string{"3", "0", "1"}; len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("ordered %v, want %v at first: an order of the size that it has is not given", got, want)
	}
}

// A deployment goes on after Scale has returned, and is seen.
func TestOrderGoesOn(t *testing.T) {
	for _, fail := range []bool{false, true} {
		s := startServer(t)
		scaler := s.client(nil).Scaler("shop", "web")
		s.set("slow", true)
		s.set("fail", fail)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := scaler.Scale(ctx, 3); err != nil {
			t.Fatalf("an order that goes on: %v", err)
		}
		cancel() // the end of the tick does not end the order
		if c, err := scaler.Capacity(t.Context()); err != nil || c.Desired != 3 || !c.Deploying || c.PendingKnown {
			t.Errorf("while it goes on: %+v, %v", c, err)
		}
		var busy *autoscale.BusyError
		if err := scaler.Scale(t.Context(), 4); !errors.As(err, &busy) {
			t.Errorf("another order while it goes on: %v", err)
		}
		s.set("slow", false)
		var failure error
		deadline := time.Now().Add(10 * time.Second)
		for {
			c, err := scaler.Capacity(t.Context())
			if err != nil {
				failure = err
			}
			if err == nil && !c.Deploying || time.Now().After(deadline) {
				break
			}
		}
		if fail != (failure != nil) || fail && !strings.Contains(failure.Error(), "dokku: scale to 3: web of app shop: exit status 1: App web container failed to pass its checks") {
			t.Errorf("fails: %v, and Capacity returned %v", fail, failure)
		}
		s.set("fail", false)
		if err := scaler.Scale(t.Context(), 1); err != nil || !slices.Equal(s.orders(), []string{"3", "1"}) {
			t.Errorf("after it: %v, %v", err, s.orders())
		}
	}
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	private, public := newKey(t)
	for _, orders := range []time.Duration{0, time.Minute, 40 * time.Minute, time.Hour} {
		s := dokku.NewClient("dokku.example.com", private, public, &dokku.Options{OrderTime: orders}).Scaler("shop", "web")
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		platformsuite.Waits(t, s)
	}
}

// An order ends after OrderTime, whatever the server does.
func TestOrderTime(t *testing.T) {
	s := startServer(t)
	scaler := s.client(&dokku.Options{OrderTime: 500 * time.Millisecond}).Scaler("shop", "web")
	s.set("slow", true)
	defer s.set("slow", false)
	err := scaler.Scale(t.Context(), 3)
	if err == nil || !strings.Contains(err.Error(), "the connection ended before the command did") {
		t.Error(err)
	}
}

// What Dokku refuses is an error with its words, and what to do.
func TestRefusals(t *testing.T) {
	s := startServer(t)
	c := s.client(nil)
	s.set("appjson", true)
	for _, tt := range []struct {
		scaler *dokku.Scaler
		want   string
	}{
		{c.Scaler("shop", "web"), "exit status 1: App shop contains an app.json file with a formations key and cannot be manually scaled: remove the quantity"},
		{c.Scaler("shop", "clock"), "the answer does not have the process type"},
		{c.Scaler("shep", "web"), "exit status 20: App shep does not exist: check the app"},
	} {
		if err := tt.scaler.Scale(t.Context(), 3); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	s.set("appjson", false)
	s.set("lock", true)
	err := c.Scaler("shop", "web").Scale(t.Context(), 3)
	var busy *autoscale.BusyError
	if !errors.As(err, &busy) || busy.Unsure || !strings.Contains(err.Error(), "the app has a deploy lock: a deployment is under way") {
		t.Error(err)
	}
	// A lock that came between the two commands: Dokku has recorded the number.
	s.set("lock", false)
	s.set("race", true)
	err = c.Scaler("shop", "web").Scale(t.Context(), 3)
	if !errors.As(err, &busy) || !busy.Unsure || !strings.Contains(err.Error(), "shop currently has a deploy lock in place. Exiting: a deployment is under way") {
		t.Error(err)
	}
	s.set("race", false)
	if c, err := c.Scaler("shop", "web").Capacity(t.Context()); err != nil || c.Desired != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Neither another server nor another key is accepted.
func TestKeys(t *testing.T) {
	s := startServer(t)
	otherPrivate, otherPublic := newKey(t)
	o := &dokku.Options{User: s.user}
	if _, err := dokku.NewClient(s.addr, s.key, otherPublic, o).Scaler("shop", "web").Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "the server has another key than the one that was given") {
		t.Error(err)
	}
	if _, err := dokku.NewClient(s.addr, otherPrivate, s.hostKey, o).Scaler("shop", "web").Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "add the public key with") {
		t.Error(err)
	}
	if n := len(s.orders()); n != 0 {
		t.Errorf("%d orders", n)
	}
}

// What was given wrongly is reported, all at once, before anything is sent.
func TestValidate(t *testing.T) {
	err := dokku.NewClient("a b", []byte("zqx"), "zqx", &dokku.Options{OrderTime: -1}).Scaler("shop; reboot", "web=9").Validate()
	for _, want := range []string{"the host is not", "the private key is not", "the host key is not", "OrderTime is -1ns", `the app "shop; reboot"`, `the process type "web=9"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err := dokku.NewClient("a", nil, "", &dokku.Options{OrderTime: time.Hour + 1}).Scaler("shop", "web").Validate(); err == nil || !strings.Contains(err.Error(), "OrderTime is 1h0m0.000000001s: it must be above 0 and at most 1h0m0s") {
		t.Error(err)
	}
	if err == nil || strings.Contains(err.Error(), "zqx") {
		t.Errorf("a key shows in %v", err)
	}
}

// Neither a Client nor a Scaler shows the key.
func TestSecrets(t *testing.T) {
	private, public := newKey(t)
	c := dokku.NewClient("dokku.example.com", private, public, nil)
	s := c.Scaler("shop", "web")
	for _, v := range []any{c, s, []any{c, s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if text := fmt.Sprintf(verb, v); len(text) > 200 || strings.Contains(text, "config") {
				t.Errorf("%s: %.300s", verb, text)
			}
		}
		if text, err := json.Marshal(v); err != nil || strings.Contains(string(text), "onfig") {
			t.Errorf("%s, %v", text, err)
		}
	}
	if got := fmt.Sprint(c, s); got != "dokku.Client(dokku.example.com:22) dokku.Scaler(web of app shop)" {
		t.Error(got)
	}
}

// Each call ends with its context, whatever the server does.
func TestHostileServers(t *testing.T) {
	private, public := newKey(t)
	for name, serve := range map[string]func(net.Conn){
		"silence":        func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); select {} },
		"closed at once": func(c net.Conn) { c.Close() },
		"not SSH":        func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); c.Close() },
		"endless lines": func(c net.Conn) {
			for {
				if _, err := c.Write([]byte(strings.Repeat("x", 1000) + "\r\n")); err != nil {
					return
				}
			}
		},
		"a long version": func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-"+strings.Repeat("x\x1b", 10_000)); c.Close() },
		"half a banner":  func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-x\r\n\x00\x00\xff\xff"); select {} },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go serve(c)
				}
			}()
			scaler := dokku.NewClient(l.Addr().String(), private, public, nil).Scaler("shop", "web")
			for _, call := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := scaler.Capacity(ctx); return err },
				func(ctx context.Context) error { return scaler.Scale(ctx, 3) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				start := time.Now()
				err := call(ctx)
				cancel()
				if took := time.Since(start); err == nil || took > 5*time.Second || len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\n") {
					t.Errorf("after %v: %.700q", took, err)
				}
			}
		})
	}
}
