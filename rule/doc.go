// Package rule has the rules that say how many processes a service needs. Each rule is a
// struct that implements [autoscale.Decider]. Set one as autoscale.Config.Decider. A
// field that is zero has a default.
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
// If you can measure requests, measure them. They show how much work there is, so the
// rule can order all the processes for that work at once. A latency shows only that
// there are too few processes or too many, and only after the fact. Rules on latency
// therefore go step by step. Only those rules count an [autoscale.Failure] of the
// service.
//
// For a service with several kinds of work, use one rule for each, and take the largest
// size that any of them recommends: see [autoscale.Highest].
//
// The rules are pure, and safe for concurrent use. A rule holds the size if a signal
// that it needs was not measured. Only Backlog ever recommends 0 processes on purpose.
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
