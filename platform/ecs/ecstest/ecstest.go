// Package ecstest is a fake of the parts of the APIs of Amazon ECS and of Application Auto
// Scaling that scale a service, in the manner of net/http/httptest.
//
//	s := ecstest.NewServer()
//	defer s.Close()
//	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 2})
//	client := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
//
// It serves DescribeServices, UpdateService with a desired count, and
// DescribeScalableTargets, and checks the signature of each request. The types of the
// refusals are those of AWS. Their texts are guesses. Inject, of the embedded Server,
// makes chosen requests fail. All requests are a POST to "/".
package ecstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/sigv4"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// The credentials and the region that a Server accepts. The credentials only look
// like real ones.
const (
	Region          = "eu-west-1"
	AccessKeyID     = "AKIAECSTEST0NOT0REAL"
	SecretAccessKey = "ecstest/not+a+secret+of+forty+characters"
	SessionToken    = "ecstest-session-token-that-is-not-a-secret"
)

// Credentials returns the credentials that a Server accepts at first.
func Credentials(context.Context) (ecs.Credentials, error) {
	return ecs.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey, SessionToken: SessionToken}, nil
}

const account = "123456789012"

// A Server is a fake of the APIs. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu       sync.Mutex
	services map[string]*Service // by cluster and name
	ahead    time.Duration
	accepts  string // the access key ID of the credentials that are accepted
	rotated  int
}

// A Service is a service that runs on ECS.
type Service struct {
	Cluster, Name string
	Desired       int
	Missing       int           // how many of the desired tasks do not run
	Daemon        bool          // is a DAEMON, without a count
	LoadBalancer  bool          // has a load balancer
	Draining      bool          // is being deleted
	Rollout       time.Duration // how long ago a deployment began that still replaces tasks. 0: there is none
	Target        bool          // is a scalable target

	// The kinds of the target's scaling that are suspended.
	SuspendedIn, SuspendedOut, SuspendedScheduled bool
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{services: make(map[string]*Service), accepts: AccessKeyID}
	s.Server = platformtest.NewServer(http.HandlerFunc(s.serve), nil)
	return s
}

// AddService adds a service, or replaces one.
func (s *Server) AddService(v Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[v.Cluster+"/"+v.Name] = &v
}

// Change changes a service without the API. It panics if the
// service does not exist.
func (s *Server) Change(cluster, name string, f func(*Service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.services[cluster+"/"+name])
}

// Desired returns the desired count of a service.
func (s *Server) Desired(cluster, name string) (n int) {
	s.Change(cluster, name, func(v *Service) { n = v.Desired })
	return n
}

// SetClock makes the Server's clock differ from that of this machine.
func (s *Server) SetClock(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = ahead
}

// Rotate ends the credentials that the Server accepts, and returns those that it accepts
// from now on.
func (s *Server) Rotate() ecs.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotated++
	s.accepts = fmt.Sprintf("%s%d", AccessKeyID, s.rotated)
	return ecs.Credentials{AccessKeyID: s.accepts, SecretAccessKey: SecretAccessKey, SessionToken: SessionToken}
}

// Calls returns how many requests named an operation, such as "UpdateService".
func (s *Server) Calls(operation string) int {
	n := 0
	for _, r := range s.Requests() {
		if operationOf(r.Body) == operation {
			n++
		}
	}
	return n
}

// operationOf returns the operation of a request, by its body.
func operationOf(body string) string {
	switch {
	case strings.Contains(body, `"desiredCount"`):
		return "UpdateService"
	case strings.Contains(body, `"ResourceIds"`):
		return "DescribeScalableTargets"
	}
	return "DescribeServices"
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "c5410059-b04c-1ee0-0530-3aed430f6e66")
	target := r.Header.Get("X-Amz-Target")
	service, operation, _ := strings.Cut(target, ".")
	signer := map[string]string{"AmazonEC2ContainerServiceV20141113": "ecs", "AnyScaleFrontendService": "application-autoscaling"}[service]
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
		refuse(w, "SerializationException", "not a request of the JSON 1.1 protocol")
		return
	case signer == "":
		refuse(w, "UnknownOperationException", "")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Add(s.ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if fault := check(r, body, signer, s.accepts, now); fault != "" {
		refuse(w, fault, "The security token included in the request is invalid.")
		return
	}
	switch operation {
	case "DescribeServices":
		s.describe(w, body)
	case "UpdateService":
		s.update(w, body)
	case "DescribeScalableTargets":
		s.targets(w, body)
	default:
		refuse(w, "UnknownOperationException", "")
	}
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// maxSkew is how far the time of a request may be off.
const maxSkew = 5 * time.Minute

// check returns the type of a refusal, or "".
func check(r *http.Request, body []byte, service, accepts string, now time.Time) string {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "IncompleteSignature"
	}
	date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	names := strings.Split(m[5], ";")
	covered := ";" + m[5] + ";"
	switch {
	case m[1] != accepts && strings.HasPrefix(m[1], AccessKeyID):
		return "ExpiredTokenException"
	case m[1] != accepts || r.Header.Get("X-Amz-Security-Token") != SessionToken:
		return "UnrecognizedClientException"
	case err != nil || m[2] != date.Format("20060102") || m[3] != Region || m[4] != service:
		return "InvalidSignatureException"
	case now.Sub(date).Abs() > maxSkew:
		return "InvalidSignatureException"
	case !strings.Contains(covered, ";host;") || !strings.Contains(covered, ";x-amz-target;") || !strings.Contains(covered, ";x-amz-security-token;"):
		return "InvalidSignatureException"
	}
	signed := r.Clone(r.Context())
	if r.ContentLength >= 0 {
		signed.Header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	key := sigv4.Key{ID: m[1], Secret: SecretAccessKey, Session: SessionToken}
	if sigv4.Signature(signed, names, body, key, sigv4.Scope{Region: Region, Service: service}, date) != m[6] {
		return "InvalidSignatureException"
	}
	return ""
}

// decode reads the body of a request, and refuses fields that the API does not
// know.
func decode(w http.ResponseWriter, body []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		refuse(w, "SerializationException", err.Error())
		return false
	}
	return true
}

func (s *Server) find(cluster, name string) *Service {
	return s.services[cluster[strings.LastIndex(cluster, "/")+1:]+"/"+name[strings.LastIndex(name, "/")+1:]]
}

func (s *Server) cluster(w http.ResponseWriter, cluster string) bool {
	for key := range s.services {
		if strings.HasPrefix(key, cluster[strings.LastIndex(cluster, "/")+1:]+"/") {
			return true
		}
	}
	refuse(w, "ClusterNotFoundException", "Cluster not found.")
	return false
}

func (s *Server) describe(w http.ResponseWriter, body []byte) {
	var in struct {
		Cluster  string   `json:"cluster"`
		Services []string `json:"services"`
	}
	if !decode(w, body, &in) || !s.cluster(w, in.Cluster) {
		return
	}
	services, failures := []any{}, []any{}
	for _, name := range in.Services {
		if v := s.find(in.Cluster, name); v != nil {
			services = append(services, v.wire())
		} else {
			failures = append(failures, map[string]any{"arn": arn("service/" + in.Cluster + "/" + name), "reason": "MISSING"})
		}
	}
	answer(w, map[string]any{"services": services, "failures": failures})
}

func (s *Server) update(w http.ResponseWriter, body []byte) {
	var in struct {
		Cluster string `json:"cluster"`
		Service string `json:"service"`
		Desired *int   `json:"desiredCount"`
	}
	if !decode(w, body, &in) || !s.cluster(w, in.Cluster) {
		return
	}
	v := s.find(in.Cluster, in.Service)
	switch {
	case v == nil:
		refuse(w, "ServiceNotFoundException", "Service not found.")
		return
	case v.Draining:
		refuse(w, "ServiceNotActiveException", "Service was not ACTIVE.")
		return
	case in.Desired == nil || *in.Desired < 0 || v.Daemon:
		refuse(w, "InvalidParameterException", "desiredCount is not valid.")
		return
	}
	v.Desired = *in.Desired
	v.Missing = min(v.Missing, v.Desired)
	answer(w, map[string]any{"service": v.wire()})
}

func (s *Server) targets(w http.ResponseWriter, body []byte) {
	var in struct {
		ServiceNamespace  string
		ResourceIds       []string
		ScalableDimension string
	}
	if !decode(w, body, &in) {
		return
	}
	targets := []any{}
	for _, id := range in.ResourceIds {
		name, of := strings.CutPrefix(id, "service/")
		v := s.services[name]
		if !of || v == nil || !v.Target || in.ServiceNamespace != "ecs" || in.ScalableDimension != "ecs:service:DesiredCount" {
			continue
		}
		targets = append(targets, map[string]any{
			"ServiceNamespace": "ecs", "ResourceId": id, "ScalableDimension": in.ScalableDimension,
			"MinCapacity": 1, "MaxCapacity": 10, "CreationTime": 1790000000.5,
			"RoleARN": "arn:aws:iam::" + account + ":role/autoscaling",
			"SuspendedState": map[string]bool{
				"DynamicScalingInSuspended": v.SuspendedIn, "DynamicScalingOutSuspended": v.SuspendedOut,
				"ScheduledScalingSuspended": v.SuspendedScheduled,
			},
		})
	}
	answer(w, map[string]any{"ScalableTargets": targets})
}

func arn(what string) string { return "arn:aws:ecs:" + Region + ":" + account + ":" + what }

// wire returns a service in the form of the API.
func (v *Service) wire() map[string]any {
	now := time.Now()
	deployment := func(status, rollout string, age time.Duration) map[string]any {
		at := float64(now.Add(-age).UnixMilli()) / 1000
		return map[string]any{
			"id": "ecs-svc/1", "status": status, "rolloutState": rollout, "createdAt": at, "updatedAt": at,
			"desiredCount": v.Desired, "runningCount": v.Desired - v.Missing, "pendingCount": v.Missing, "failedTasks": 0,
		}
	}
	deployments := []any{deployment("PRIMARY", "COMPLETED", time.Hour)}
	if v.Rollout > 0 {
		deployments = []any{deployment("PRIMARY", "IN_PROGRESS", v.Rollout), deployment("ACTIVE", "COMPLETED", time.Hour)}
	}
	strategy, status, balancers := "REPLICA", "ACTIVE", []any{}
	if v.Daemon {
		strategy = "DAEMON"
	}
	if v.Draining {
		status = "DRAINING"
	}
	if v.LoadBalancer {
		balancers = append(balancers, map[string]any{"containerName": "web", "containerPort": 8080})
	}
	return map[string]any{
		"serviceName": v.Name, "serviceArn": arn("service/" + v.Cluster + "/" + v.Name), "clusterArn": arn("cluster/" + v.Cluster),
		"status": status, "schedulingStrategy": strategy, "desiredCount": v.Desired, "runningCount": v.Desired - v.Missing,
		"pendingCount": v.Missing, "loadBalancers": balancers, "deployments": deployments,
		"deploymentController": map[string]any{"type": "ECS"}, "createdAt": 1790000000.123,
	}
}

func answer(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, code, message string) {
	w.WriteHeader(http.StatusBadRequest)
	answer(w, map[string]string{"__type": code, "message": message})
}
