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
// It speaks to the Docker Engine API of a manager. Whoever can speak to it commands every
// node of the swarm, so this program is better a service of its own, with one task on a
// manager, than a part of the service that it scales: see docs/platforms/swarm.md.
//
// Where it does run in the service, each task must run on a manager, and an elector needs a
// store, or the number of the task. Swarm gives the number to a service that asks for it:
//
//	--env TASK_SLOT={{.Task.Slot}} --env TASK_ID={{.Task.ID}} --env SWARM_SERVICE={{.Service.Name}}
//
// leader.Index("TASK_SLOT", 1) then has the first task act. To remove tasks, Swarm takes those
// of the node that has the most, and of these the one with the highest slot, so that the
// first goes last. It takes a task that does not run before one that does: if the first is
// just being restarted, it is removed, and nobody acts until somebody adds a task. [leader.SQL] has no such gap.
//
// # An order
//
// An order sends the whole spec of the service back, with another number of replicas, for
// the version that was read. Swarm starts or stops tasks then, and replaces none. What a
// later version of Docker has in a spec is sent back unchanged.
//
// The environment of the service is in the spec. It is kept until the first call after an
// order, and is in no error, in no log, and in no formatted value of this package.
//
// Swarm keeps one spec from before the last change, to which `docker service rollback`
// returns, and so does an update that fails. An order changes the spec too, as `docker service scale` does.
// So none is given while an update or a rollback is under way or paused: the error is an
// [autoscale.BusyError]. After an order, `docker service rollback` undoes the order alone:
// deploy the earlier image instead.
//
// # What it costs
//
// A Scaler reads the service and its tasks once a tick, which is 240 calls an hour at the
// default interval of 30 seconds. An order reads both once more and is one call.
//
// # Other autoscalers
//
// Swarm has no autoscaler of its own. Labels for some that others made are seen, see
// [Scaler.Capacity], and the size is left to them. `docker stack deploy` sets the number of
// replicas that the stack file has, or 1 if it has none.
//
// # Bounds
//
// Swarm takes any size. Tasks for which no node has room are pending, and a greater size is
// then an [autoscale.LimitError].
//
// # Queue time
//
// The routing mesh forwards connections and sends no header. Traefik sends none that says
// when a request arrived, and cannot be told to. nginx and Caddy can, and package traffic
// reads it:
//
//	proxy_set_header X-Request-Start "t=${msec}";
//	header_up X-Request-Start "t={time.now.unix_ms}"
//
// [leader.SQL]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#SQL
package swarm
