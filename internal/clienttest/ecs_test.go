package clienttest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/ecs/ecstest"
)

func awsCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: ecstest.AccessKeyID, SecretAccessKey: ecstest.SecretAccessKey, SessionToken: ecstest.SessionToken}, nil
}

// The fake answers AWS's own client as it answers ours, and checks its signatures.
func TestECSFakeAnswersTheSDK(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 2, Missing: 1, LoadBalancer: true, Rollout: time.Minute, Target: true, SuspendedIn: true})
	client := sdk.New(sdk.Options{Region: ecstest.Region, BaseEndpoint: &s.URL, Credentials: aws.CredentialsProviderFunc(awsCredentials)})

	out, err := client.DescribeServices(t.Context(), &sdk.DescribeServicesInput{Cluster: aws.String("production"), Services: []string{"web", "wep"}})
	if err != nil || len(out.Services) != 1 || len(out.Failures) != 1 || aws.ToString(out.Failures[0].Reason) != "MISSING" {
		t.Fatalf("%+v, %v", out, err)
	}
	v := out.Services[0]
	if v.DesiredCount != 2 || v.RunningCount != 1 || v.PendingCount != 1 || v.SchedulingStrategy != types.SchedulingStrategyReplica || aws.ToString(v.Status) != "ACTIVE" ||
		len(v.LoadBalancers) != 1 || len(v.Deployments) != 2 || v.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress ||
		time.Since(aws.ToTime(v.Deployments[0].CreatedAt)) < time.Minute || time.Since(aws.ToTime(v.Deployments[0].CreatedAt)) > 2*time.Minute {
		t.Errorf("%+v", v)
	}
	updated, err := client.UpdateService(t.Context(), &sdk.UpdateServiceInput{Cluster: aws.String("production"), Service: aws.String("web"), DesiredCount: aws.Int32(5)})
	if err != nil || updated.Service.DesiredCount != 5 {
		t.Errorf("%+v, %v", updated, err)
	}
	var gone *types.ClusterNotFoundException
	if _, err := client.DescribeServices(t.Context(), &sdk.DescribeServicesInput{Cluster: aws.String("staging"), Services: []string{"web"}}); !errors.As(err, &gone) {
		t.Errorf("another cluster: %v", err)
	}
	targets, err := applicationautoscaling.New(applicationautoscaling.Options{Region: ecstest.Region, BaseEndpoint: &s.URL, Credentials: aws.CredentialsProviderFunc(awsCredentials)}).
		DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
			ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceIds: []string{"service/production/web"}, ScalableDimension: scaling.ScalableDimensionECSServiceDesiredCount,
		})
	if err != nil || len(targets.ScalableTargets) != 1 || !aws.ToBool(targets.ScalableTargets[0].SuspendedState.DynamicScalingInSuspended) ||
		aws.ToBool(targets.ScalableTargets[0].SuspendedState.DynamicScalingOutSuspended) || aws.ToInt32(targets.ScalableTargets[0].MaxCapacity) != 10 {
		t.Errorf("%+v, %v", targets, err)
	}
}

// recorder keeps requests, and carries them on to a fake.
type recorder struct {
	to       string // empty: nowhere
	requests []*http.Request
	bodies   []string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	r.requests, r.bodies = append(r.requests, req.Clone(context.Background())), append(r.bodies, string(body))
	if r.to == "" {
		return nil, errors.New("not sent")
	}
	on := req.Clone(req.Context())
	on.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(on)
}

// Our requests have the operation, the body and the signature that AWS's own client and
// signer make.
func TestECSRequestsAreTheSDKs(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 2})
	ours, theirs := &recorder{to: s.URL}, &recorder{to: s.URL}

	scaler := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: ours}).Scaler("production", "web")
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := scaler.Scale(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	http1 := &http.Client{Transport: theirs}
	client := sdk.New(sdk.Options{Region: ecstest.Region, BaseEndpoint: &s.URL, Credentials: aws.CredentialsProviderFunc(awsCredentials), HTTPClient: http1})
	describe := &sdk.DescribeServicesInput{Cluster: aws.String("production"), Services: []string{"web"}}
	_, err1 := client.DescribeServices(t.Context(), describe)
	_, err2 := applicationautoscaling.New(applicationautoscaling.Options{Region: ecstest.Region, BaseEndpoint: &s.URL, Credentials: aws.CredentialsProviderFunc(awsCredentials), HTTPClient: http1}).
		DescribeScalableTargets(t.Context(), &applicationautoscaling.DescribeScalableTargetsInput{
			ServiceNamespace: scaling.ServiceNamespaceEcs, ResourceIds: []string{"service/production/web"}, ScalableDimension: scaling.ScalableDimensionECSServiceDesiredCount,
		})
	_, err3 := client.DescribeServices(t.Context(), describe)
	_, err4 := client.UpdateService(t.Context(), &sdk.UpdateServiceInput{Cluster: aws.String("production"), Service: aws.String("web"), DesiredCount: aws.Int32(5)})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	if len(ours.requests) != 4 || len(theirs.requests) != 4 {
		t.Fatalf("%d and %d requests", len(ours.requests), len(theirs.requests))
	}
	for i, our := range ours.requests {
		their := theirs.requests[i]
		for _, name := range []string{"X-Amz-Target", "Content-Type"} {
			if our.Header.Get(name) != their.Header.Get(name) {
				t.Errorf("%s: ours is %q, theirs is %q", name, our.Header.Get(name), their.Header.Get(name))
			}
		}
		if our.URL.String() != strings.TrimSuffix(their.URL.String(), "/")+"/" || our.Method != their.Method {
			t.Errorf("ours is %s %s, theirs is %s %s", our.Method, our.URL, their.Method, their.URL)
		}
		if sorted(t, ours.bodies[i]) != sorted(t, theirs.bodies[i]) {
			t.Errorf("ours is %s, theirs is %s", ours.bodies[i], theirs.bodies[i])
		}
		checkSignature(t, our, ours.bodies[i])
	}
}

// checkSignature signs a request again, with AWS's own signer.
func checkSignature(t *testing.T, req *http.Request, body string) {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", req.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	service := "ecs"
	if strings.HasPrefix(req.Header.Get("X-Amz-Target"), "AnyScale") {
		service = "application-autoscaling"
	}
	again := req.Clone(t.Context())
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		again.Header.Del(name)
	}
	again.ContentLength = 0 // which ours does not sign
	sum := sha256.Sum256([]byte(body))
	credentials, _ := awsCredentials(t.Context())
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, again, hex.EncodeToString(sum[:]), service, ecstest.Region, at); err != nil {
		t.Fatal(err)
	}
	if got, want := req.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		t.Errorf("%s: ours is %s, theirs is %s", req.Header.Get("X-Amz-Target"), got, want)
	}
}

// Our endpoints are those of AWS's own client.
func TestECSEndpointsAreTheSDKs(t *testing.T) {
	for _, region := range []string{"eu-west-1", "us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-4"} {
		rec := &recorder{}
		scaler := ecs.NewClient(region, ecstest.Credentials, &platform.Options{Transport: rec}).Scaler("production", "web")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _ = scaler.Capacity(ctx)
		cancel()
		endpoint, err := sdk.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), sdk.EndpointParameters{
			Region: &region, UseDualStack: aws.Bool(false), UseFIPS: aws.Bool(false),
		})
		if err != nil || len(rec.requests) == 0 || rec.requests[0].URL.Host != endpoint.URI.Host || rec.requests[0].URL.Scheme != endpoint.URI.Scheme {
			t.Errorf("%s: theirs is %s, %v", region, endpoint.URI.String(), err)
		}
	}
}
