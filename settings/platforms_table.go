package settings

import (
	"cmp"
	"os"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/pool"
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// builtIn are the platforms other than Heroku whose clients this package imports.
var builtIn = []platformChoice{
	{
		name: "fly",
		own:  []string{"FLY_APP_NAME", "FLY_PROCESS_GROUP"},
		keys: []key{
			{
				name: "FLY_APP_NAME", ambient: true,
				required: "give the app's name, as FLY_APP_NAME=shop",
				field:    "fly.Client.Scaler", example: "shop",
				doc: "The name of the app. Required on Fly.io, which sets it on every machine to the machine's own app.",
			},
			{
				name: "FLY_API_TOKEN", secret: true,
				required: "make a token with `fly tokens create deploy`",
				field:    "fly.NewClient", example: "FlyV1 fm2_0123456789abcdef",
				doc: "A token, from `fly tokens create deploy`. Required on Fly.io. A secret.",
			},
			{
				name: "FLY_PROCESS_GROUP", ambient: true,
				field: "fly.Client.Scaler", example: "app",
				doc: "The process group. Fly sets it on every machine to the machine's own group, so a worker needs AUTOSCALE_FLY_PROCESS_GROUP, or a line of the file. Without it: app, which is Fly's name for a single group.",
			},
			{
				name: "FLY_API_URL", field: "platform.Options.BaseURL",
				doc: "Where the Machines API is. Without it: " + fly.DefaultBaseURL + ".",
			},
		},
		app: func(get func(string) string) string { return get("FLY_APP_NAME") },
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			o := &platform.Options{BaseURL: get("FLY_API_URL"), TokenName: "FLY_API_TOKEN", Getenv: env}
			return fly.NewClient(get("FLY_API_TOKEN"), o).Scaler(get("FLY_APP_NAME"), cmp.Or(get("FLY_PROCESS_GROUP"), "app"))
		},
	},
	{
		name: "render",
		own:  []string{"RENDER_SERVICE_ID"},
		keys: []key{
			{
				name: "RENDER_SERVICE_ID", ambient: true,
				required: "give the id of the service, as RENDER_SERVICE_ID=srv-abc123",
				field:    "render.Client.Scaler", example: "srv-abc123",
				doc: "The id of the service. Required on Render, which sets it to the id of the service that a program runs in, so a worker needs AUTOSCALE_RENDER_SERVICE_ID, or a line of the file.",
			},
			{
				name: "RENDER_API_KEY", secret: true,
				required: "make an API key in the Render Dashboard, Account Settings, API Keys",
				field:    "render.NewClient", example: "rnd_0123456789abcdef",
				doc: "An API key. Required on Render. A secret.",
			},
			{
				name: "RENDER_API_URL", field: "platform.Options.BaseURL",
				doc: "Where Render's API is. Without it: " + render.DefaultBaseURL + ".",
			},
		},
		app: func(get func(string) string) string { return get("RENDER_SERVICE_ID") },
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			o := &platform.Options{BaseURL: get("RENDER_API_URL"), TokenName: "RENDER_API_KEY", Getenv: env}
			return render.NewClient(get("RENDER_API_KEY"), o).Scaler(get("RENDER_SERVICE_ID"))
		},
	},
	{
		name: "scalingo",
		keys: []key{
			{
				name:     "SCALINGO_APP",
				required: "give the name of the app, as SCALINGO_APP=shop",
				field:    "scalingo.Client.Scaler", example: "shop",
				doc: "The name of the app, whose process type is PROCESS_TYPE. Required on Scalingo.",
			},
			{
				name: "SCALINGO_API_TOKEN", secret: true,
				required: "make an API token in the dashboard, Account, API Tokens",
				field:    "scalingo.NewClient", example: "tk-us-0123456789abcdef",
				doc: "An API token. Required on Scalingo. A secret.",
			},
			{
				name: "SCALINGO_API_URL", field: "platform.Options.BaseURL",
				doc: "The API of the app's region. Without it: " + scalingo.DefaultBaseURL + ".",
			},
		},
		app: func(get func(string) string) string { return get("SCALINGO_APP") },
		scaler: func(get, env func(string) string, process string) autoscale.Scaler {
			o := &platform.Options{BaseURL: get("SCALINGO_API_URL"), TokenName: "SCALINGO_API_TOKEN", Getenv: env}
			return scalingo.NewClient(get("SCALINGO_API_TOKEN"), o).Scaler(get("SCALINGO_APP"), process)
		},
	},
	{
		name: "cloudfoundry",
		keys: []key{
			{
				name:     "CF_APP_GUID",
				required: "give the GUID of the app, which `cf app NAME --guid` prints",
				field:    "cloudfoundry.Client.Scaler", example: "01234567-89ab-cdef-0123-456789abcdef",
				doc: "The GUID of the app, whose process type is PROCESS_TYPE. Required on Cloud Foundry.",
			},
			{
				name: "CF_API_URL", field: "platform.Options.BaseURL", example: "https://api.cf.example.com",
				doc: "Where the API is, as https://api.cf.example.com. Without it: what VCAP_APPLICATION says.",
			},
			{
				name: "CF_CLIENT_ID", field: "cloudfoundry.Credentials.ClientID", example: "autoscale",
				doc: "The client of UAA. Without it: cf, for a user.",
			},
			{
				name: "CF_CLIENT_SECRET", secret: true, field: "cloudfoundry.Credentials.ClientSecret", example: "0123456789abcdef",
				doc: "The secret of the client. A secret.",
			},
			{
				name: "CF_USERNAME", field: "cloudfoundry.Credentials.Username",
				doc: "A user, instead of a client.",
			},
			{
				name: "CF_PASSWORD", secret: true, field: "cloudfoundry.Credentials.Password",
				doc: "The password of the user. A secret.",
			},
			{
				name: "CF_REFRESH_TOKEN", secret: true, field: "cloudfoundry.Credentials.RefreshToken",
				doc: "A refresh token, instead of a client or a user. A secret.",
			},
			{
				name: "CF_AUTOSCALER_URL", field: "cloudfoundry.Credentials.AutoscalerURL",
				doc: "Where App Autoscaler's API is. Without it: App Autoscaler is not checked.",
			},
		},
		app: func(get func(string) string) string { return get("CF_APP_GUID") },
		scaler: func(get, env func(string) string, process string) autoscale.Scaler {
			c := cloudfoundry.Credentials{
				ClientID: get("CF_CLIENT_ID"), ClientSecret: get("CF_CLIENT_SECRET"),
				Username: get("CF_USERNAME"), Password: get("CF_PASSWORD"), RefreshToken: get("CF_REFRESH_TOKEN"),
				AutoscalerURL: get("CF_AUTOSCALER_URL"),
			}
			o := &platform.Options{BaseURL: get("CF_API_URL"), TokenName: "CF_CLIENT_SECRET or CF_PASSWORD", Getenv: env}
			return cloudfoundry.NewClient(c, o).Scaler(get("CF_APP_GUID"), process)
		},
	},
	{
		name: "ecs",
		keys: []key{
			{
				name:     "ECS_CLUSTER",
				required: "give the cluster's name or ARN, as ECS_CLUSTER=main",
				field:    "ecs.Client.Scaler", example: "main",
				doc: "The name or the ARN of the cluster. Required on ECS.",
			},
			{
				name:     "ECS_SERVICE",
				required: "give the service's name or ARN, as ECS_SERVICE=web",
				field:    "ecs.Client.Scaler", example: "web",
				doc: "The name or the ARN of the service. Required on ECS.",
			},
			{
				name: "AWS_REGION", ambient: true, field: "ecs.NewClient", example: "eu-west-1",
				doc: "The region, as eu-west-1. AWS sets it. The credentials are those of the task, or of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
			},
		},
		app: func(get func(string) string) string {
			return get("AWS_REGION") + "/" + get("ECS_CLUSTER") + "/" + get("ECS_SERVICE")
		},
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			return ecs.NewClient(get("AWS_REGION"), nil, &platform.Options{Getenv: env}).Scaler(get("ECS_CLUSTER"), get("ECS_SERVICE"))
		},
	},
	{
		name: "cloudrun",
		keys: []key{
			{
				name:     "CLOUD_RUN_PROJECT",
				required: "give the id of the project, as CLOUD_RUN_PROJECT=shop-123456",
				field:    "cloudrun.Client.Scaler", example: "shop-123456",
				doc: "The id of the project. Required on Cloud Run. The token comes from the service account of the instance or machine.",
			},
			{
				name:     "CLOUD_RUN_REGION",
				required: "give the region, as CLOUD_RUN_REGION=europe-west1",
				field:    "cloudrun.Client.Scaler", example: "europe-west1",
				doc: "The region, as europe-west1. Required on Cloud Run.",
			},
			{
				name:     "CLOUD_RUN_SERVICE",
				required: "give the service's name, as CLOUD_RUN_SERVICE=web",
				field:    "cloudrun.Client.Scaler", example: "web",
				doc: "The name of the service. Required on Cloud Run.",
			},
		},
		app: func(get func(string) string) string {
			return get("CLOUD_RUN_PROJECT") + "/" + get("CLOUD_RUN_REGION") + "/" + get("CLOUD_RUN_SERVICE")
		},
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			return cloudrun.NewClient(nil, &platform.Options{Getenv: env}).Scaler(get("CLOUD_RUN_PROJECT"), get("CLOUD_RUN_REGION"), get("CLOUD_RUN_SERVICE"))
		},
	},
	{
		name: "nomad",
		keys: []key{
			{
				name:     "NOMAD_JOB",
				required: "give the id of the job, as NOMAD_JOB=shop",
				field:    "nomad.Group.Job", example: "shop",
				doc: "The id of the job. Required on Nomad.",
			},
			{
				name:     "NOMAD_GROUP",
				required: "give the name of the task group, as NOMAD_GROUP=web",
				field:    "nomad.Group.Name", example: "web",
				doc: "The name of the task group. Required on Nomad.",
			},
			{
				name: "NOMAD_NAMESPACE", ambient: true, field: "nomad.Group.Namespace", example: "production",
				doc: "The namespace of the job. Nomad sets it. Without it: default.",
			},
			{
				name: "NOMAD_REGION", ambient: true, field: "nomad.Group.Region", example: "global",
				doc: "The region of the job. Nomad sets it. Without it: the agent's region.",
			},
			{
				name: "NOMAD_TOKEN", secret: true, field: "nomad.NewClient", example: "0e0e0e0e-0000-4000-8000-00000000000e",
				doc: "An ACL token, or the identity that Nomad sets for a task with `identity { env = true }`. A secret.",
			},
			{
				name: "NOMAD_ADDR", field: "platform.Options.BaseURL",
				doc: "Where the agent is, as https://nomad.example.com:4646 or unix:///secrets/api.sock. Without it: the socket that Nomad gives a task, or " + nomad.DefaultBaseURL + ".",
			},
		},
		app: func(get func(string) string) string {
			return names.NomadApp(get("NOMAD_REGION"), get("NOMAD_NAMESPACE"), get("NOMAD_JOB"), get("NOMAD_GROUP"))
		},
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			o := &platform.Options{BaseURL: get("NOMAD_ADDR"), TokenName: "NOMAD_TOKEN", Getenv: env}
			return nomad.NewClient(get("NOMAD_TOKEN"), o).Scaler(nomad.Group{
				Job: get("NOMAD_JOB"), Name: get("NOMAD_GROUP"), Namespace: get("NOMAD_NAMESPACE"), Region: get("NOMAD_REGION"),
			})
		},
	},
	{
		name: "swarm",
		keys: []key{
			{
				name:     "SWARM_SERVICE",
				required: "give the service's name, as SWARM_SERVICE=shop_web",
				field:    "swarm.Client.Scaler", example: "shop_web",
				doc: "The name of the service, which in a stack is STACK_SERVICE. Required on Docker Swarm.",
			},
			{
				name: "DOCKER_HOST", ambient: true, field: "platform.Options.BaseURL", example: "unix:///var/run/docker.sock",
				doc: "Where the Docker Engine API of a manager is, as unix:///… or tcp://manager.example.com:2376. Without it: " + swarm.DefaultHost + ".",
			},
			{
				name: "DOCKER_CERT_PATH", ambient: true, field: "swarm.NewClient", example: "/certs",
				doc: "The folder with ca.pem, cert.pem and key.pem for TLS, which tcp needs.",
			},
		},
		app: func(get func(string) string) string { return get("SWARM_SERVICE") },
		scaler: func(get, env func(string) string, _ string) autoscale.Scaler {
			return swarm.NewClient(get("DOCKER_CERT_PATH"), &platform.Options{BaseURL: get("DOCKER_HOST"), Getenv: env}).Scaler(get("SWARM_SERVICE"))
		},
	},
	{
		name: "pool",
		app: func(func(string) string) string { // the pools of two machines may share a store
			host, _ := os.Hostname()
			return strings.TrimSuffix("pool/"+host, "/")
		},
		scaler: func(_, env func(string) string, _ string) autoscale.Scaler {
			return pool.FromEnv(&platform.Options{Getenv: env}).Scaler()
		},
	},
}
