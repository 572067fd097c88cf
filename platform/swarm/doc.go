// Package swarm reads and sets how many tasks a replicated service of Docker Swarm has, as
// the Scaler of an autoscaler.
//
//	client := swarm.NewClient("", nil) // $DOCKER_HOST, or the socket /var/run/docker.sock
//
//	err := autoscale.New(autoscale.Config{
//		Prober: &probe.HTTP{URL: "http://shop_web:8080/autoscalebot/heartbeat/"},
//		Scaler: client.Scaler("shop_web"),
//	}).Run(ctx)
//
// It speaks to the Docker Engine API of a manager. Anybody who has access to that commands
// every node of the swarm. So this program should be a service of its own, with one task on
// a manager, and not a part of the service that it scales: see docs/platforms/swarm.md.
//
// If it does run in the service, each task must run on a manager, and an elector needs a
// store or the number of the task. To get the number, give the service
//
//	--env TASK_SLOT={{.Task.Slot}} --env TASK_ID={{.Task.ID}} --env SWARM_SERVICE={{.Service.Name}}
//
// With leader.Index("TASK_SLOT", 1), the first task then acts. To remove tasks, Swarm
// chooses the node that has the most, and there the task with the highest slot, so the
// first task goes last. But it removes a task that does not run before one that does. If
// the first task is just being restarted, it is removed, and no task acts until somebody
// adds one. With [leader.SQL], another task takes over.
//
// # An order
//
// An order sends the whole spec of the service back, with another number of replicas, for
// the version that was read. Swarm then starts or stops tasks, and does not replace any.
// Fields that a later version of Docker adds to a spec are sent back unchanged.
//
// The environment of the service is in the spec. It is kept until the first call after an
// order, and never appears in an error, in the log, or in a formatted value of this
// package.
//
// Swarm keeps one spec, the one from before the last change. `docker service rollback`
// returns to it, and so does an update that fails. An order changes the spec too, as
// `docker service scale` does. So no order is sent while an update or a rollback is under
// way or paused, and the error is an [autoscale.BusyError]. After an order, `docker service
// rollback` undoes only the order. Deploy the earlier image instead.
//
// # What it costs
//
// A Scaler reads the service and its tasks once a tick, which is 240 calls an hour at the
// default interval of 30 seconds. An order is one call, and two more to read both once
// more.
//
// # Other autoscalers
//
// Swarm has no autoscaler of its own. Capacity recognizes the labels of some that others
// made, and the Autoscaler leaves the size to those: see [Scaler.Capacity]. `docker stack
// deploy` sets the number of replicas that the stack file has, or 1 if it has none.
//
// # Bounds
//
// Swarm takes any size. Tasks for which no node has room stay pending. For a greater size,
// Scale then returns an [autoscale.LimitError].
//
// # Queue time
//
// The routing mesh forwards connections and sends no header. Traefik sends none that says
// when a request arrived, and cannot be configured to. nginx and Caddy can, and package
// traffic reads the header:
//
//	proxy_set_header X-Request-Start "t=${msec}";
//	header_up X-Request-Start "t={time.now.unix_ms}"
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package swarm
