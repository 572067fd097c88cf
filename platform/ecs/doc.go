// Package ecs reads and sets the desired count of services on Amazon ECS, as the Scaler of
// an autoscaler.
//
//	client := ecs.NewClient("", nil, nil) // in a task: $AWS_REGION, and the role of the task
//
//	err := autoscale.New(autoscale.Config{
//		Prober:  requests, // a *traffic.Shared, for instance
//		Scaler:  client.Scaler("production", "web"),
//		Elector: leader.SQL(db, nil),
//	}).Run(ctx)
//
// ECS does not number the tasks of a service, so an elector needs a store. Use
// [leader.SQL], or an elector of contrib/redis. ECS chooses which task it stops. If that is
// the leader, another task takes over.
//
// # Credentials
//
// [DefaultCredentials] takes them from the environment, or from the endpoint that ECS and
// EKS give to a container. It does not read configuration files or ask for instance
// metadata. If you use the AWS SDK for Go, pass a function that calls
// aws.CredentialsProvider.Retrieve: see [CredentialsFunc].
//
// The role of the task needs three permissions: ecs:DescribeServices and ecs:UpdateService
// on the service, and application-autoscaling:DescribeScalableTargets on *.
//
// Secrets never appear in an error, in the log, or in a formatted value of this package.
// Requests are signed, and go only to the region's endpoints or to
// [platform.Options.BaseURL]: redirects are not followed, and plain HTTP is refused.
//
// # What it costs
//
// A Scaler describes the service once a tick, which is 120 calls an hour at the default
// interval of 30 seconds. It asks for the service's scalable target every ten minutes. An
// order is one call, and another to describe the service once more. AWS does not charge for
// these calls. A change of the desired count starts or stops tasks, and does not replace
// any.
//
// # Application Auto Scaling
//
// ECS service auto scaling is Application Auto Scaling. If the service is registered there
// as a scalable target, and not all of its scaling is suspended, Capacity names it as
// [autoscale.Capacity.ExternalAutoscaler], and the Autoscaler leaves the size to it.
// Deregister the target, or suspend all of its scaling:
//
//	aws application-autoscaling deregister-scalable-target --service-namespace ecs \
//	  --scalable-dimension ecs:service:DesiredCount --resource-id service/production/web
//
// # Deployments
//
// ECS takes orders while a rolling deployment is under way, and this package then sends
// orders that increase the size. In the first ten minutes of a deployment it sends none
// that decrease the size, because the measurements are then of tasks that have just
// started. Application Auto Scaling does not decrease the size during a deployment either.
//
// # Queue time
//
// Neither the Application Load Balancer nor ECS Service Connect sends a header that says
// when a request arrived. X-Amzn-Trace-Id has only whole seconds. Use the latency, the
// utilization or the busy count of package traffic.
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package ecs
