package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/swarm/swarmtest"
)

// TestCheckSwarm: check reads a service of Docker Swarm, says what somebody should know of
// it, and says what to do if the daemon is no manager.
func TestCheckSwarm(t *testing.T) {
	s := swarmtest.NewServer()
	defer s.Close()
	beat := httptest.NewServer(http.HandlerFunc(ok))
	defer beat.Close()
	s.AddService(swarmtest.Service{Name: "shop_web", Replicas: 2, Labels: map[string]string{"com.docker.stack.namespace": "shop"}})
	environ := []string{"PLATFORM=swarm", "SWARM_SERVICE=shop_web", "DOCKER_HOST=" + s.URL, "HEARTBEAT_URL=" + beat.URL}
	for _, tt := range []struct {
		node   swarmtest.Node
		host   string
		status int
		want   []string
	}{
		{swarmtest.Manager, s.URL, 0, []string{
			"app        shop_web, process type web\n", "size       2 processes ordered\n",
			"but the service is of the stack shop: each `docker stack deploy` sets the stack file's replicas, or 1 if it has none\n",
		}},
		{swarmtest.Worker, s.URL, 1, []string{"swarm: read the size: service shop_web: 503 ", "run on a manager"}},
		{swarmtest.Manager, "unix:///nowhere/docker.sock", 1, []string{"there is no socket of Docker"}},
		{swarmtest.Manager, "tcp://manager.example.com:2375", 2, []string{"environment: DOCKER_HOST is tcp://manager.example.com:2375, which is not TLS"}},
	} {
		s.SetNode(tt.node)
		r := run(t, append(environ, "DOCKER_HOST="+tt.host), "check")
		for _, want := range tt.want {
			if r.status != tt.status || !strings.Contains(r.stdout+r.stderr, want) {
				t.Errorf("status %d, want %d, and %q in\n%s%s", r.status, tt.status, want, r.stdout, r.stderr)
			}
		}
	}
	if n := s.Count("POST", "/services/*/update"); n > 0 {
		t.Errorf("it ordered %d times", n)
	}
}
