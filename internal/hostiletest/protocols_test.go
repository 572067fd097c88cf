package hostiletest_test

import (
	"context"
	"crypto/tls"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/notify/email"
)

// smtp is a conversation up to the end, without TLS or with STARTTLS.
func smtp(withTLS bool) []hostiletest.Stage {
	stages := []hostiletest.Stage{
		{Name: "greeting", Until: hostiletest.First, Reply: "220 test ESMTP\r\n"},
		{Name: "EHLO", Until: "\r\n", Reply: "250-test\r\n250 AUTH PLAIN\r\n"},
	}
	if withTLS {
		stages[1].Reply = "250-test\r\n250 STARTTLS\r\n"
		stages = append(stages,
			hostiletest.Stage{Name: "STARTTLS", Until: "\r\n", Reply: "220 go on\r\n"},
			hostiletest.Stage{Name: "handshake", Handshake: true, Until: hostiletest.First},
			hostiletest.Stage{Name: "EHLO within TLS", Until: "\r\n", Reply: "250-test\r\n250 AUTH PLAIN\r\n"})
	}
	return append(stages,
		hostiletest.Stage{Name: "AUTH", Until: "\r\n", Reply: "235 welcome\r\n"},
		hostiletest.Stage{Name: "MAIL", Until: "\r\n", Reply: "250 ok\r\n"},
		hostiletest.Stage{Name: "RCPT", Until: "\r\n", Reply: "250 ok\r\n"},
		hostiletest.Stage{Name: "DATA", Until: "\r\n", Reply: "354 go on\r\n"},
		hostiletest.Stage{Name: "end of DATA", Until: "\r\n.\r\n", Reply: "250 taken\r\n"},
		hostiletest.Stage{Name: "QUIT", Until: "\r\n"})
}

// mail is the door of notify/email.
func mail(scheme, query string) door {
	return door{"email.New, " + scheme + query, notifier(func(url string) autoscale.Notifier {
		_, host, _ := strings.Cut(url, "://")
		return email.New(email.Config{
			URL: scheme + "://ops:" + token + "@" + host + query, From: "a@example.com", To: []string{"b@example.com", "c@example.com"},
			TLS: &tls.Config{InsecureSkipVerify: true},
		})
	})}
}

// Each delivery of a mail ends at its deadline and when its context ends, whatever the
// server does and when.
func TestEachMailEnds(t *testing.T) {
	var all []struct {
		door
		hostiletest.Behavior
	}
	add := func(d door, behaviors []hostiletest.Behavior) {
		for _, b := range behaviors {
			all = append(all, struct {
				door
				hostiletest.Behavior
			}{d, b})
		}
	}
	add(mail("smtp", ""), hostiletest.Scripts(smtp(false)))
	add(mail("smtp", "?tls=required"), hostiletest.Scripts(smtp(true)))
	add(mail("smtps", ""), hostiletest.Scripts([]hostiletest.Stage{{Name: "TLS", Until: ""}, {Name: "never"}})[:16])
	add(mail("smtp", ""), hostiletest.Behaviors())
	add(mail("smtps", ""), hostiletest.Behaviors())
	room := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for _, a := range all {
		server := hostiletest.Serve(a.Behavior)
		t.Cleanup(server.Close)
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			name := a.door.name + ": " + a.Behavior.Name
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			defer cancel()
			ends(t, name, a.door, ctx, server.URL)
			ctx, cancel = context.WithCancel(t.Context())
			defer cancel()
			defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
			ends(t, name+", cancelled", a.door, ctx, server.URL)
		})
	}
	wg.Wait()
	if len(all) < 300 {
		t.Errorf("only %d ways to go wrong", len(all))
	}
}
