package redis_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/contrib/redis"
)

// No value of the package shows the password of its client, however it is formatted.
func TestNoSecretShows(t *testing.T) {
	client := newClient(t, &goredis.Options{Addr: "127.0.0.1:1", Username: "user", Password: hostilePassword})
	for name, v := range map[string]any{
		"New":          redis.New(client, nil),
		"Lease":        redis.Lease(client, ""),
		"MetricsBoard": redis.MetricsBoard(client, nil),
		"Backlog":      redis.Backlog{Client: client, Keys: []string{"a"}},
		"*Backlog":     &redis.Backlog{Client: client, Keys: []string{"a"}},
	} {
		var texts strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&texts, verb+verb+verb, v, []any{v}, struct{ V any }{v})
		}
		data, err := json.Marshal(v)
		fmt.Fprint(&texts, string(data), err)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		if text := texts.String() + log.String(); strings.Contains(text, hostilePassword) || strings.Contains(text, fmt.Sprintf("%x", hostilePassword)) {
			t.Errorf("%s shows the password: %.300s", name, text)
		}
	}
}
