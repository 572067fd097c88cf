// Package rule has the rules that say how many processes a service needs. Each is an
// [autoscale.Decider]: a struct whose zero fields have defaults, to be set as
// autoscale.Config.Decider.
//
// Choose a rule by what can be measured:
//
//	what is measured                             rule                       measured by, for example
//	requests: arrivals and service time          TargetTracking with        traffic.New
//	                                             Concurrency
//	the share of the capacity in use, as of CPU  TargetTracking             traffic.CPU
//	jobs that wait, and the age of the oldest    Backlog                    a query of the queue's table, contrib/redis
//	the latency of single probes                 MOfN                       a heartbeat every 5 seconds
//	the same, as autoscalebot did                autoscale.Consecutive,     a heartbeat every 30 seconds
//	                                             Average
//
// If requests can be measured, measure them. They say how much work there is, so that
// the rule orders as many processes as that takes, at once. A latency says only that
// there are too few or too many, and only after it has happened: rules on it go step by
// step. An [autoscale.Failure] of the service counts only in those.
//
// A service with several kinds of work takes the largest size that one of several rules
// recommends: see [autoscale.Highest].
//
// The rules are pure, and safe for concurrent use. They hold if what they need was not
// measured. Only Backlog ever recommends 0 processes on purpose.
//
// # Sources
//
//   - J. D. C. Little, A Proof for the Queuing Formula: L = λW (1961): TargetTracking.
//   - Target tracking of AWS Auto Scaling, and the algorithm of Kubernetes'
//     HorizontalPodAutoscaler: TargetTracking.
//   - "M out of N" alarms of Amazon CloudWatch, the instance warmup of AWS Auto Scaling,
//     and the delays after a scale-up of Kubernetes' Cluster Autoscaler: MOfN.
//   - The queue scalers of KEDA: Backlog.
//   - autoscalebot 2.1 (2012): autoscale.Consecutive and Average.
package rule
