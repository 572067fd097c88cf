// Package pool is a platform on one machine: it runs a number of processes of a service,
// which may be written in any language, and spreads their requests. A server of your own
// or a laptop then has what a platform offers, without an account.
//
//	p := pool.New(pool.Options{Command: []string{"./web"}, Max: 8})
//	t := traffic.New(&traffic.Options{Concurrency: 4})
//	go p.Run(ctx)
//	go autoscale.New(autoscale.Config{
//		Prober: pool.Prober(t), Scaler: p, Max: autoscale.Fixed(8),
//	}).Run(ctx)
//	http.ListenAndServe(":8080", t.Handler(p))
//
// This autoscaler is in the process of the Pool, sees all requests, and needs no Elector.
// An autoscaler may also be in each of the processes, as it is on other platforms. It then
// orders through [FromEnv]:
//
//	Scaler: pool.FromEnv(nil).Scaler(),
//
// # A process
//
// A process gets these environment variables beside those of the Pool's own process:
//
//	PORT                    the port of the loopback interface on which it must listen
//	AUTOSCALE_POOL_PROCESS  its name, such as web.2. The lowest number is 1
//	AUTOSCALE_POOL_NUMBER   its number. leader.Index("AUTOSCALE_POOL_NUMBER", 1) elects web.1
//	AUTOSCALE_POOL_URL      where the size can be ordered
//	AUTOSCALE_POOL_TOKEN    what permits to do so
//
// Its standard input is empty and stays open. It ends when the Pool's own process does,
// however that happened, so that a process can end too.
//
// It boots until it accepts a connection, or answers [Options.Health] with a status of 2xx.
// It is then sent requests. A process that does not boot within [Options.BootTime] is
// killed. One that ends by itself is replaced, after a pause that grows if that happens
// again and again.
//
// To stop a process, the Pool sends it no more requests, waits up to [Options.Drain] for
// those that it works on, sends SIGTERM, and after [Options.Stop] SIGKILL. On Windows,
// which has no SIGTERM, it is killed after Drain. Elsewhere the signals reach what the
// process has started too, and what it leaves behind is killed when it ends. If the Pool's
// own process is killed, Linux sends SIGTERM to the others. Elsewhere they go on.
//
// The process with the highest number is the first to be stopped. The one that ordered is
// the last before web.1, and web.1 is the last of all. A number is free once its process has
// ended. While that of web.1 is not, another process serves, which is stopped as soon as a
// new web.1 serves.
//
// # The front
//
// A [Pool] is an [http.Handler], which passes each request to a process that serves: to one
// at random, as routers with many front ends do, or to the one with the fewest requests. It
// sets X-Forwarded-For, -Host and -Proto, and X-Request-Start, from which package traffic
// learns the queue time; see [Options.Proxied]. While no process serves, requests wait for [Options.Wait]. A
// request whose process refuses the connection is tried with another one if it has no body.
//
// All processes are on one machine: a size above what its processors and memory have room
// for makes the service slower.
package pool
