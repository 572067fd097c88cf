// Command autoscalebot is [cmd/autoscalebot] with more built in: the drivers of PostgreSQL,
// SQLite and Redis, the Leases of Kubernetes, and PLATFORM=kubernetes and PLATFORM=dokku. So
// it can show and steer a running autoscaler through the store that the service uses:
//
//	export AUTOSCALE_STORE=postgres://user:password@host/database HEROKU_APP_NAME=quiet-river
//	autoscalebot status
//	autoscalebot pause for 2h
//	autoscalebot override 5 until 18:00
//	autoscalebot resume
//	autoscalebot events
//	autoscalebot top
//
// A service that uses the Elector of contrib/kubernetes has its store in Leases. It is
// kubernetes://NAMESPACE, with the kubeconfig that kubectl uses, or with the service account
// in a pod. Another context of the kubeconfig is kubernetes://NAMESPACE?context=NAME.
//
// It is a module of its own, because these clients are larger than all else. Run
//
//	go -C contrib/autoscalebot install .
//
// in the source of autoscale to install it, or add it to the tools of your service, which is
// also what pins it to the release that the service has:
//
//	go get -tool github.com/autoscalebot/autoscale/contrib/autoscalebot
//	go tool autoscalebot status
//
// The exit status is 0, 1 if something failed, and 2 if the arguments are wrong.
//
// [cmd/autoscalebot]: https://pkg.go.dev/github.com/autoscalebot/autoscale/cmd/autoscalebot
package main

import (
	"os"

	"github.com/autoscalebot/autoscale/internal/cli"
)

func main() {
	cli.Main(map[string]cli.Opener{
		"postgres": openPostgres, "postgresql": openPostgres,
		"sqlite": openSQLite, "redis": openRedis, "rediss": openRedis,
		"kubernetes": kubernetesStore(os.Getenv),
	}, scalers)
}
