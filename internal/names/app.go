package names

import (
	"cmp"
	"encoding/json"
)

// App returns the application that a process belongs to, as its platform says in the
// environment, or "" if the platform does not say. getenv looks up a variable. The names are
// those that package settings gives these applications, where a process knows enough for that.
func App(getenv func(name string) string) string {
	return cmp.Or(
		getenv("HEROKU_APP_NAME"),
		getenv("FLY_APP_NAME"),
		getenv("RENDER_SERVICE_ID"),
		cloudFoundry(getenv("VCAP_APPLICATION")),
		getenv("K_SERVICE"), // Cloud Run and Knative
		getenv("CLOUD_RUN_WORKER_POOL"),
		nomad(getenv),
		scalingo(getenv),
	)
}

func cloudFoundry(application string) string {
	var v struct {
		ID string `json:"application_id"`
	}
	_ = json.Unmarshal([]byte(application), &v) // what does not parse says nothing
	return v.ID
}

func nomad(getenv func(name string) string) string {
	if getenv("NOMAD_JOB_ID") == "" {
		return ""
	}
	return NomadApp(getenv("NOMAD_REGION"), getenv("NOMAD_NAMESPACE"), getenv("NOMAD_JOB_ID"), getenv("NOMAD_GROUP_NAME"))
}

// NomadApp names a task group of Nomad, by its job and the region and namespace in which that
// is, unless these are Nomad's defaults.
func NomadApp(region, namespace, job, group string) string {
	app := job + "/" + group
	if namespace != "" && namespace != "default" {
		app = namespace + "/" + app
	}
	if region != "" && region != "global" {
		app = region + "/" + app
	}
	return app
}

// scalingo returns the name of the app, whose variable has a name that others use too.
func scalingo(getenv func(name string) string) string {
	if getenv("CONTAINER") == "" {
		return ""
	}
	return getenv("APP")
}
