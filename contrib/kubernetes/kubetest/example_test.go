package kubetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// scale orders a number of replicas of the Deployment web.
func scale(s *kubetest.Server, token string, replicas int) string {
	body := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	req, err := http.NewRequest("PATCH", s.URL+"/apis/apps/v1/namespaces/default/deployments/web/scale", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/merge-patch+json")
	res, err := s.Client().Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	return res.Status
}

func ExampleNewServer() {
	s := kubetest.NewServer()
	defer s.Close()
	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})

	fmt.Println(scale(s, kubetest.Token, 5))
	fmt.Println(web.Replicas(), "replicas,", len(web.Pods()), "pods")
	// Output:
	// 200 OK
	// 5 replicas, 5 pods
}

// In a bubble of testing/synctest the pods boot in no time.
func ExampleNewPipeServer() {
	s := kubetest.NewPipeServer()
	defer s.Close()
	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Boot: time.Minute})

	scale(s, kubetest.Token, 5)
	fmt.Println(web.Replicas(), "ordered,", web.Ready(), "ready")
	// Output: 5 ordered, 2 ready
}

// A Server is a handler for a listener of one's own.
func ExampleNew() {
	s := kubetest.New()
	defer s.Close()
	fmt.Printf("%q %t\n", s.URL, s.Client() == nil)
	// Output: "" true
}

// The least Role of a program can be proved.
func ExampleServer_AddAccount() {
	s := kubetest.NewServer()
	defer s.Close()
	s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
	s.AddAccount("token-of-the-program", kubetest.Account{Name: "scaler", Rules: []kubetest.Rule{{
		APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{"web"}, Verbs: []string{"get"},
	}}})

	fmt.Println(scale(s, "token-of-the-program", 5))
	// Output: 403 Forbidden
}

func ExampleServer_Inject() {
	s := kubetest.NewServer()
	defer s.Close()
	s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
	s.Inject(kubetest.Error(500, "InternalError", "etcdserver: request timed out"))

	fmt.Println(scale(s, kubetest.Token, 5))
	fmt.Println(scale(s, kubetest.Token, 5))
	// Output:
	// 500 Internal Server Error
	// 200 OK
}

// An HPA that rules the same Deployment wins at its next look.
func ExampleServer_AddHPA() {
	s := kubetest.NewServer()
	defer s.Close()
	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 8})
	s.AddHPA(kubetest.HPAConfig{Name: "web", Target: "web", Max: 4})

	fmt.Println(web.Replicas())
	// Output: 4
}

func ExampleError() {
	f := kubetest.Error(409, "Conflict", "the object has been modified")
	fmt.Println(f.Status)
	// Output: 409
}

func ExampleTooManyRequests() {
	f := kubetest.TooManyRequests(3 * time.Second)
	fmt.Println(f.Status, f.Header["Retry-After"])
	// Output: 429 [3]
}

func ExampleServer_AddWorkload() {
	s := kubetest.NewServer()
	defer s.Close()
	w := s.AddWorkload(kubetest.WorkloadConfig{Kind: "StatefulSet", Name: "db", Replicas: 2, Nodes: 3})
	w.SetReplicas(5)

	fmt.Println(w.Pods(), w.Ready(), "ready")
	// Output: [db-0 db-1 db-2 db-3 db-4] 3 ready
}
