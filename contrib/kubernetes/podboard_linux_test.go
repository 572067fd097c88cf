package kubernetes_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/internal/count"
	"github.com/autoscalebot/autoscale/traffic"
)

const podToken = "a token of thirty-two characters"

// A podService is a Service with pods on addresses of the loopback network, which Linux has
// by the million.
type podService struct {
	t      testing.TB
	server *kubetest.Server
	port   int
	addrs  []any
}

func newPodService(t testing.TB) *podService {
	s := &podService{t: t, server: kubetest.NewServer()}
	t.Cleanup(s.server.Close)
	return s
}

// pod adds a pod that h serves. A nil handler makes a pod that refuses connections.
func (s *podService) pod(h http.Handler) {
	s.t.Helper()
	addr := fmt.Sprintf("127.0.77.%d", len(s.addrs)+1)
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", addr, s.port))
	if err != nil {
		s.t.Skipf("the pods of this test need addresses like %s and one port: %v", addr, err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	s.addrs = append(s.addrs, map[string]any{"addresses": []any{addr}, "conditions": map[string]any{"ready": true, "serving": true}})
	if h == nil {
		l.Close()
		return
	}
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = l
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Start()
	s.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
}

func (s *podService) board(token string) *kubernetes.PodBoard {
	return clientOf(s.server, kubetest.Token).PodBoard("web", &kubernetes.PodBoardOptions{Token: token})
}

// publish writes the EndpointSlices, of at most a hundred endpoints each, as Kubernetes does.
func (s *podService) publish() {
	for i := 0; i < len(s.addrs); i += 100 {
		s.server.Put(map[string]any{
			"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
			"metadata":  map[string]any{"name": fmt.Sprint("web-", i), "labels": map[string]any{"kubernetes.io/service-name": "web"}},
			"endpoints": s.addrs[i:min(i+100, len(s.addrs))], "ports": []any{map[string]any{"name": "http", "port": s.port}},
		})
	}
}

// memoryBoard is a board as a database is one.
type memoryBoard map[string][]byte

func (b memoryBoard) Publish(_ context.Context, member string, report []byte) error {
	b[member] = report
	return nil
}

func (b memoryBoard) Read(context.Context, time.Duration) (list []traffic.Report, err error) {
	for name, data := range b {
		list = append(list, traffic.Report{Member: name, Data: data})
	}
	return list, nil
}

// counts returns the report of a process that serves rate requests a second.
func counts(rate int) []byte {
	r := count.Report{Window: 10}
	for range 20 {
		r.Seconds = append(r.Seconds, count.Second{Begun: float64(rate), Ended: float64(rate), Busy: float64(rate) / 10, Peak: 4})
	}
	return r.Encode(300 * time.Millisecond)
}

// estimate returns what a leader without requests of its own comes to, by process.
func estimate(t testing.TB, b traffic.MetricsBoard) (arrivals, busy float64, reports int, detail string) {
	t.Helper()
	shared := &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: b, Logger: slog.New(slog.DiscardHandler)}
	s, err := shared.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for _, p := range s.Breakdown.Pieces {
		parts += p.Processes
		arrivals, busy, reports = arrivals+p.Arrivals, busy+p.Busy, max(reports, p.Processes)
	}
	return arrivals / float64(parts), busy / float64(parts), reports, s.Detail
}

// hostile are pods that do what they should not.
var hostile = []http.HandlerFunc{
	func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },                            // hangs
	func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },   // fails
	func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(counts(1e6)) },                     // forges
	func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, // big headers
	func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.77.1/", http.StatusTemporaryRedirect)
	}, // redirects
	func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, endless{}, 1<<30) },             // never ends
	func(w http.ResponseWriter, r *http.Request) { drip(w, r) },                                       // drips
	func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99"); panic(w) }, // breaks off
	func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) },     // switches
	func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Autoscale-Signature", r.Host)
		w.Write(nil)
	}, // signs wrongly
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		if _, err := w.Write([]byte{1}); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestPodBoardOfAHundred has 100 pods. At first all of them answer. Then 10 are dead, 10 are
// slow and 10 are hostile: the others are read in time, and each process that answered counts
// as on a board in memory.
func TestPodBoardOfAHundred(t *testing.T) {
	for _, tt := range []struct {
		name                string
		dead, slow, strange int
	}{
		{"all answer", 0, 0, 0},
		{"some do not", 10, 10, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, memory := newPodService(t), make(memoryBoard)
			for i := range 100 - tt.dead - tt.slow - tt.strange {
				b, name := s.board(podToken), fmt.Sprint("web-", i)
				s.pod(b)
				for _, board := range []traffic.MetricsBoard{b, memory} {
					if err := board.Publish(t.Context(), name, counts(10+i%20)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range tt.slow {
				s.pod(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
					case <-time.After(time.Minute):
					}
				}))
			}
			for i := range tt.strange {
				s.pod(hostile[i%len(hostile)])
			}
			for range tt.dead {
				s.pod(nil)
			}
			s.publish()
			board := s.board(podToken)
			began := time.Now()
			reports, err := board.Read(t.Context(), time.Minute)
			if took := time.Since(began); took > kubernetes.DefaultPodTimeout+time.Second {
				t.Errorf("Read took %v", took)
			}
			if err != nil || len(reports) != len(memory) {
				t.Fatalf("%d reports of %d, %v", len(reports), len(memory), err)
			}
			arrivals, busy, n, detail := estimate(t, board)
			wantArrivals, wantBusy, wantN, _ := estimate(t, memory)
			// A report that took its time may fall into the next second.
			off := func(got, want float64) bool { return math.Abs(got-want) > want/100 }
			if off(arrivals, wantArrivals) || off(busy, wantBusy) || n != wantN || detail != "" {
				t.Errorf("%d processes with %v arrivals a second and %v in progress each, %q; a board in memory has %d, %v and %v", n, arrivals, busy, detail, wantN, wantArrivals, wantBusy)
			}
		})
	}
}

func TestPodBoardWithoutPods(t *testing.T) {
	s := newPodService(t)
	board := s.board(podToken)
	if reports, err := board.Read(t.Context(), time.Minute); len(reports) != 0 || err != nil {
		t.Errorf("a Service without pods has %v, %v", reports, err)
	}
	other := s.board("another token of some characters")
	if err := other.Publish(t.Context(), "web-0", counts(5)); err != nil {
		t.Fatal(err)
	}
	s.pod(other)
	s.publish()
	_, err := board.Read(t.Context(), time.Minute)
	if err == nil || !strings.Contains(err.Error(), "none of the 1 pods of the Service web") || strings.Contains(err.Error(), podToken) {
		t.Errorf("pods with another token: %v", err)
	}
	s.server.Inject(kubetest.Fault{Status: 403, Times: -1})
	if _, err := board.Read(t.Context(), time.Minute); err == nil || !strings.Contains(err.Error(), "list the pods of the Service web") {
		t.Errorf("a role without the right: %v", err)
	}
}

// TestPodBoardOldReports leaves out what is too old, and what was taken down.
func TestPodBoardOldReports(t *testing.T) {
	s := newPodService(t)
	b := s.board(podToken)
	s.pod(b)
	s.publish()
	read := func(fresh time.Duration, want int) {
		t.Helper()
		if reports, err := b.Read(t.Context(), fresh); err != nil || len(reports) != want {
			t.Errorf("%d reports, want %d, %v", len(reports), want, err)
		}
	}
	read(time.Minute, 0) // nothing was published yet
	if err := b.Publish(t.Context(), "web 0/\u00e9", counts(5)); err != nil {
		t.Fatal(err)
	}
	read(time.Minute, 1)
	read(0, 0)
	if reports, _ := b.Read(t.Context(), time.Minute); reports[0].Member != "web 0/\u00e9" {
		t.Errorf("the process is called %q", reports[0].Member)
	}
	if err := b.Publish(t.Context(), "web-0", nil); err != nil {
		t.Fatal(err)
	}
	read(time.Minute, 0)
}

func TestPodBoardOptions(t *testing.T) {
	s := newPodService(t)
	client := clientOf(s.server, kubetest.Token)
	for _, tt := range []struct {
		service string
		opts    *kubernetes.PodBoardOptions
		want    string
	}{
		{"web", nil, "Token has 0 bytes"},
		{"", &kubernetes.PodBoardOptions{Token: podToken}, "the Service is"},
		{"web", &kubernetes.PodBoardOptions{Token: podToken, Port: 1e6}, "Port is 1000000"},
		{"web", &kubernetes.PodBoardOptions{Token: podToken, Path: "report?x"}, "Path is"},
		{"web", &kubernetes.PodBoardOptions{Token: podToken, Timeout: -1}, "Timeout is"},
		{"web", &kubernetes.PodBoardOptions{Token: podToken, Namespace: "A"}, "Namespace is"},
	} {
		b := client.PodBoard(tt.service, tt.opts)
		_, readErr := b.Read(t.Context(), time.Minute)
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		for _, err := range []error{b.Validate(), readErr, b.Publish(t.Context(), "web", []byte{1})} {
			if err == nil || !strings.Contains(err.Error(), tt.want) || w.Code != http.StatusServiceUnavailable {
				t.Errorf("error %v does not say %q; the handler answers %d", err, tt.want, w.Code)
			}
		}
	}
	board := client.PodBoard("web", &kubernetes.PodBoardOptions{Token: podToken})
	for _, v := range []any{board, kubernetes.PodBoardOptions{Token: podToken}, &kubernetes.PodBoardOptions{Token: podToken}} {
		data, err := json.Marshal(v)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v), string(data)} {
			if err != nil || strings.Contains(text, podToken) || strings.Contains(text, hex.EncodeToString([]byte(podToken))) {
				t.Errorf("%T shows its token: %s, %v", v, text, err)
			}
		}
	}
	var p autoscale.Prober = &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: client.PodBoard("web", nil)}
	if v, ok := p.(autoscale.Validator); !ok || v.Validate() == nil {
		t.Error("the Shared does not report what is wrong with its board")
	}
}
