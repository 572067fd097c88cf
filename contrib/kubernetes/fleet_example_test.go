package kubernetes_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/traffic"
)

func ExampleClient_Fleet() {
	server := kubetest.NewServer() // a cluster with one Deployment, whose annotations say how to scale it
	defer server.Close()
	server.Put(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "mails", "labels": map[string]any{"autoscale": "yes"}, "annotations": map[string]any{
			kubernetes.AnnotationMax: "5", "example.com/jobs": "40",
		}},
		"spec": map[string]any{"replicas": 1},
	})

	ctx, cancel := context.WithCancel(context.Background())
	ordered := func(e autoscale.Event) {
		if e.Kind == autoscale.Scaled {
			fmt.Println(e)
			cancel()
		}
	}
	// In a pod: kubernetes.InCluster(&kubernetes.Options{QPS: 200})
	client := clientOf(server, kubetest.Token)
	fleet := client.Fleet(func(t kubernetes.Target) (autoscale.Config, error) {
		jobs, err := strconv.ParseFloat(t.Annotations["example.com/jobs"], 64)
		if err != nil {
			return autoscale.Config{}, fmt.Errorf("the annotation example.com/jobs: %w", err)
		}
		return autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { // such as a *probe.JSON
				return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: jobs}, nil
			}),
			Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision { // such as a rule.Backlog
				return autoscale.Decision{Act: true, Size: int(o.Samples[len(o.Samples)-1].Backlog) / 10}
			}),
			Observe: ordered,
			Logger:  slog.New(slog.DiscardHandler),
		}, nil
	}, &kubernetes.FleetOptions{Selector: "autoscale=yes", Worker: "worker-1", TTL: 5 * time.Second, Spread: time.Millisecond})

	fmt.Println(fleet.Run(ctx))
	// Output:
	// default/mails: scaled from 1 to 4 (bounds 1 to 5): no reason given
	// <nil>
}

func ExampleClient_PodBoard() {
	server := kubetest.NewServer() // a cluster whose Service web has no pods yet
	defer server.Close()

	// In a pod: kubernetes.InCluster(nil)
	client := clientOf(server, kubetest.Token)
	board := client.PodBoard("web", &kubernetes.PodBoardOptions{Token: "at least sixteen bytes"})
	shared := &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: board, Interval: 2 * time.Second}

	// mux.Handle(kubernetes.DefaultPodPath, board) and go shared.Run(ctx), in every pod
	fmt.Println(shared.Validate())
	fmt.Println(board.Read(context.Background(), time.Minute))
	// Output:
	// <nil>
	// [] <nil>
}
