// Package pool is a platform on one machine. It runs a number of processes of a service,
// which may be written in any language, and spreads the requests over them. So your own
// server or a laptop has what a platform offers, without an account.
//
//	p := pool.New(pool.Options{Command: []string{"./web"}, Max: 8})
//	t := traffic.New(&traffic.Options{Concurrency: 4})
//	go p.Run(ctx)
//	go autoscale.New(autoscale.Config{
//		Prober: pool.Prober(t), Scaler: p, Max: autoscale.Fixed(8),
//	}).Run(ctx)
//	http.ListenAndServe(":8080", t.Handler(p))
//
// This autoscaler runs in the process of the Pool, sees all requests, and needs no Elector.
// An autoscaler can also run in each of the processes, as on other platforms. It then sends
// its orders through [FromEnv]:
//
//	Scaler: pool.FromEnv(nil).Scaler(),
//
// # A process
//
// A process gets these environment variables in addition to those of the Pool's own
// process:
//
//	PORT                    the port of the loopback interface on which it must listen
//	AUTOSCALE_POOL_PROCESS  its name, such as web.2. The lowest number is 1
//	AUTOSCALE_POOL_NUMBER   its number. leader.Index("AUTOSCALE_POOL_NUMBER", 1) elects web.1
//	AUTOSCALE_POOL_URL      where the size can be ordered
//	AUTOSCALE_POOL_TOKEN    what permits to do so
//
// Its standard input is empty and stays open. It is closed when the Pool's own process
// ends, for whatever reason, so that the process can end too.
//
// A process boots until it accepts a connection, or answers [Options.Health] with a status
// of 2xx. From then on it gets requests. A process that does not boot within
// [Options.BootTime] is killed. If a process ends by itself, it is replaced after a pause.
// The pause grows if that happens again and again.
//
// To stop a process, the Pool sends it no more requests, waits up to [Options.Drain] for
// those that it works on, sends SIGTERM, and after [Options.Stop] SIGKILL. On Windows,
// which has no SIGTERM, the process is killed after Drain. On other systems, the signals
// also reach the processes that it has started, and any that it leaves behind are killed
// when it ends. If the Pool's own process is killed, Linux sends SIGTERM to the others. On
// other systems they go on.
//
// The process with the highest number is stopped first. The process that sent the order is
// the last but one, and web.1 is the last. A number is free once its process has ended.
// Until the number of web.1 is free, another process serves in its place. It is stopped as
// soon as a new web.1 serves.
//
// # The front
//
// A [Pool] is an [http.Handler] that passes each request to a process that serves: to one
// at random, as routers with many front ends do, or to the one with the fewest requests. It
// sets X-Forwarded-For, -Host and -Proto, and X-Request-Start, from which package traffic
// computes the queue time; see [Options.Proxied]. While no process serves, requests wait
// for up to [Options.Wait]. If a process refuses the connection, a request without a body
// is tried with another one.
//
// All processes are on one machine. If its processors and memory do not suffice for a size,
// the service becomes slower.
package pool
