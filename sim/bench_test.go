package sim_test

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// BenchmarkRequests plays steady loads, with an autoscaler beside them, and
// reports simulated requests per second of one core.
func BenchmarkRequests(b *testing.B) {
	for _, tt := range []struct {
		name    string
		service sim.Service
	}{
		{"fifo", sim.Service{}},
		{"fifo,overload", sim.Service{Mean: 400 * time.Millisecond}},
		{"fifo,lognormal", sim.Service{CV: 2}},
		{"fifo,least", sim.Service{Routing: sim.LeastBusy}},
		{"sharing", sim.Service{Discipline: sim.ProcessorSharing}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			const rate, length = 1000, 1000
			var requests float64
			b.ReportAllocs()
			for b.Loop() {
				r := run(b, sim.Options{
					Load: steady(b, rate, length*time.Second), Service: tt.service, Initial: 80, Utilization: .6,
					Controller: sim.Autoscaler(autoscale.Config{Min: autoscale.Fixed(80), Max: autoscale.Fixed(100)}, sim.Signals{Heartbeat: true, Traffic: true}),
				})
				requests += float64(r.Requests)
			}
			b.ReportMetric(requests/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// BenchmarkDeployed plays the same loads where each process counts its requests.
func BenchmarkDeployed(b *testing.B) {
	for _, tt := range []struct {
		name    string
		service sim.Service
		board   *sim.MetricsBoard
	}{
		{"fifo", sim.Service{}, nil},
		{"fifo,board", sim.Service{}, &sim.MetricsBoard{}},
		{"sharing,board", sim.Service{Discipline: sim.ProcessorSharing}, &sim.MetricsBoard{}},
		{"dependency,board", sim.Service{Dependency: sim.Dependency{Connections: 200, Share: .5}}, &sim.MetricsBoard{}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			const rate, length = 1000, 1000
			var requests float64
			b.ReportAllocs()
			for b.Loop() {
				r := run(b, sim.Options{
					Load: steady(b, rate, length*time.Second), Service: tt.service, Initial: 80, Utilization: .6,
					Controller: sim.Autoscaler(autoscale.Config{Min: autoscale.Fixed(80), Max: autoscale.Fixed(100)}, sim.Signals{View: sim.DeployedView, MetricsBoard: tt.board}),
				})
				requests += float64(r.Requests)
			}
			b.ReportMetric(requests/b.Elapsed().Seconds(), "req/s")
		})
	}
}
