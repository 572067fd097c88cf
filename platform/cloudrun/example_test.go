package cloudrun_test

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/cloudrun/cloudruntest"
)

// One client, one budget, a service and a worker pool. On Cloud Run the token function is
// nil and the options too.
func ExampleNewClient() {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 2})
	s.Add(cloudruntest.Resource{Name: "jobs", WorkerPool: true, Size: 1})

	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	web, err := client.Scaler(cloudruntest.Project, cloudruntest.Region, "web").Capacity(context.Background())
	fmt.Println(web.Desired, err)
	jobs, err := client.WorkerPool(cloudruntest.Project, cloudruntest.Region, "jobs").Capacity(context.Background())
	fmt.Println(jobs.Desired, err)
	// Output:
	// 2 <nil>
	// 1 <nil>
}

// A worker pool is scaled like a service.
func ExampleClient_WorkerPool() {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "jobs", WorkerPool: true, Size: 1})

	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	fmt.Println(client.WorkerPool(cloudruntest.Project, cloudruntest.Region, "jobs").Scale(context.Background(), 4))
	fmt.Println(s.Size("jobs"))
	// Output:
	// <nil>
	// 4
}

// Scale leaves a service in automatic mode alone. SwitchToManual is for the first time.
func ExampleScaler_SwitchToManual() {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "web"})

	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
	defer client.CloseIdleConnections()
	scaler := client.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
	fmt.Println(scaler.Scale(context.Background(), 3))
	fmt.Println(scaler.SwitchToManual(context.Background(), 3))
	// Output:
	// cloudrun: scale to 3: service "web" of "cloudruntest" in "europe-west1": the scaling mode is automatic, and Cloud Run decides the size itself: `gcloud run services update web --scaling 3` switches to manual
	// <nil>
}

// Validate says what is wrong before anything is sent.
func ExampleScaler_Validate() {
	fmt.Println(cloudrun.NewClient(nil, nil).Scaler("my-project", "Belgium", "web").Validate())
	// Output: the region "Belgium" is not the name of one: give one such as europe-west1
}
