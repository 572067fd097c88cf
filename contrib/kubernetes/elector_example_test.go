package kubernetes_test

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// The pods of a service elect the one that acts.
func ExampleClient_Elector() {
	s := kubetest.NewServer() // a cluster
	defer s.Close()
	config := &rest.Config{Host: s.URL, BearerToken: kubetest.Token, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA()}}
	client := kubernetes.FromConfig(config, nil) // InCluster(nil) in a pod
	elector := client.Elector(&leader.Options{App: "quiet-river"})

	// autoscale.New does this with the Name of the Config.
	if err := elector.SetDefaultName("web"); err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- elector.Run(ctx) }()
	for {
		if term, leads := elector.Current(); leads {
			fmt.Println("leads in term", term.Number)
			break
		}
		time.Sleep(time.Millisecond)
	}
	spec := s.Object("Lease", "", "autoscale-quiet-river.web")["spec"].(map[string]any)
	fmt.Println("the Lease has", spec["leaseTransitions"], "transitions and lasts", spec["leaseDurationSeconds"], "seconds")
	stop()
	fmt.Println("Run:", <-done)
	// Output:
	// leads in term 1
	// the Lease has 1 transitions and lasts 30 seconds
	// Run: <nil>
}
