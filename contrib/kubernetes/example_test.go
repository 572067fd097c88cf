package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// A whole program: three slow answers in a row, and the Deployment gets another pod. In a
// pod, the client is kubernetes.InCluster(nil).
func Example() {
	cluster := kubetest.NewServer()
	defer cluster.Close()
	cluster.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 1})
	client := kubernetes.FromConfig(&rest.Config{
		Host: cluster.URL, BearerToken: kubetest.Token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CA()},
	}, nil)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := autoscale.New(autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalLatency, Latency: 2 * time.Second}, nil
		}),
		Scaler:   client.Scaler("deployment/web", nil),
		Interval: 10 * time.Millisecond,
		Observe: func(e autoscale.Event) {
			if e.Kind == autoscale.Scaled {
				fmt.Println("from", e.From, "to", e.To)
				cancel()
			}
		},
	}).Run(ctx)
	fmt.Println(err)
	// Output:
	// from 1 to 2
	// <nil>
}

// Outside a pod, InCluster says what to use instead.
func ExampleInCluster() {
	client := kubernetes.InCluster(&kubernetes.Options{Namespace: "shop"})
	fmt.Println(client.Validate())
	// Output: this process runs in no pod, because KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: use kubernetes.FromKubeconfig outside a cluster
}

// The client has the namespace of the kubeconfig's context.
func ExampleFromKubeconfig() {
	client := kubernetes.FromKubeconfig("testdata/kubeconfig", "staging", nil)
	fmt.Println(client.Validate(), client.Namespace())
	fmt.Println(client)
	// Output:
	// <nil> shop
	// kubernetes.Client(https://kubernetes.example.com/api, namespace shop)
}

// A program that has a rest.Config, as one of controller-runtime does, hands it over.
func ExampleFromConfig() {
	cluster := kubetest.NewServer()
	defer cluster.Close()
	cluster.AddWorkload(kubetest.WorkloadConfig{Namespace: "shop", Name: "web", Replicas: 3})
	config := &rest.Config{Host: cluster.URL, BearerToken: kubetest.Token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CA()}}

	client := kubernetes.FromConfig(config, &kubernetes.Options{Namespace: "shop"})
	defer client.CloseIdleConnections()
	c, err := client.Scaler("deployment/web", nil).Capacity(context.Background())
	fmt.Println(c.Desired, c.Ready(), err)
	// Output: 3 3 <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleClient_Scaler() {
	client := kubernetes.FromKubeconfig("testdata/kubeconfig", "staging", nil)
	fmt.Println(client.Scaler("deployment/web", nil).Validate())
	fmt.Println(client.Scaler("web", nil).Validate())
	// Output:
	// <nil>
	// the target "web" is not kind/name: give deployment/web, statefulset/web, replicaset/web, rollout/web or plural.group/web, as workers.example.com/web
}

// A refusal for lack of a right comes with the Role to apply.
func ExampleError_Role() {
	cluster := kubetest.NewServer()
	defer cluster.Close()
	cluster.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 3})
	cluster.AddAccount("web-token", kubetest.Account{Name: "system:serviceaccount:default:web", Namespace: "default"})
	client := kubernetes.FromConfig(&rest.Config{
		Host: cluster.URL, BearerToken: "web-token", TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CA()},
	}, nil)
	defer client.CloseIdleConnections()

	_, err := client.Scaler("deployment/web", nil).Capacity(context.Background())
	var refusal *kubernetes.Error
	if errors.As(err, &refusal) {
		fmt.Print(refusal.Role())
	}
	// Output:
	// apiVersion: rbac.authorization.k8s.io/v1
	// kind: Role
	// metadata:
	//   name: autoscale-get-deployments-web
	//   namespace: default
	// rules:
	// - apiGroups: ["apps"]
	//   resources: ["deployments"]
	//   verbs: ["get"]
	//   resourceNames: ["web"]
	// ---
	// apiVersion: rbac.authorization.k8s.io/v1
	// kind: RoleBinding
	// metadata:
	//   name: autoscale-get-deployments-web
	//   namespace: default
	// roleRef:
	//   apiGroup: rbac.authorization.k8s.io
	//   kind: Role
	//   name: autoscale-get-deployments-web
	// subjects:
	// - kind: ServiceAccount
	//   name: web
	//   namespace: default
}

// LastManager names the program whose manifest sets the size back.
func ExampleScaler_LastManager() {
	cluster := kubetest.NewServer()
	defer cluster.Close()
	cluster.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 3})
	client := kubernetes.FromConfig(&rest.Config{
		Host: cluster.URL, BearerToken: kubetest.Token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CA()},
	}, nil)
	defer client.CloseIdleConnections()

	web := client.Scaler("deployment/web", nil)
	fmt.Println(web.Scale(context.Background(), 5))
	_, err := web.Capacity(context.Background())
	fmt.Println(web.LastManager(), err)
	// Output:
	// <nil>
	// autoscale (Update of scale) <nil>
}

// The pod that leads is the last one to be stopped.
func ExampleClient_ProtectLeader() {
	client := kubernetes.FromKubeconfig("testdata/kubeconfig", "staging", nil)
	elector := autoscale.Elector(client.Elector(nil)) // or one of package leader
	protected := client.ProtectLeader(elector, &kubernetes.ProtectOptions{Pod: "web-5d4f7c6b9-x2x7k"})
	_, leads := protected.Current()
	fmt.Println(leads, protected.Err())
	// Output: false <nil>
}
