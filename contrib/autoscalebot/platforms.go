package main

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/dokku"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/internal/cli"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/settings"
)

// scalers make the Scalers of the platforms that package settings does not import.
var scalers = map[string]settings.ScalerFunc{
	"kubernetes": func(get, env func(string) string, _ string) autoscale.Scaler {
		return cluster(get("KUBERNETES_NAMESPACE"), get("KUBECONFIG"), get("KUBERNETES_CONTEXT"), env).Scaler(get("KUBERNETES_TARGET"), nil)
	},
	"dokku": func(get, _ func(string) string, process string) autoscale.Scaler {
		o := &dokku.Options{User: get("DOKKU_USER")}
		return dokku.NewClient(get("DOKKU_HOST"), privateKey(get("DOKKU_SSH_KEY")), get("DOKKU_HOST_KEY"), o).Scaler(get("DOKKU_APP"), process)
	},
}

// cluster returns a client of a cluster. In a pod that names neither a file nor a context it is
// the pod's own cluster.
func cluster(namespace, kubeconfig, context string, env func(string) string) *kubernetes.Client {
	o := &kubernetes.Options{Namespace: namespace}
	if kubeconfig == "" && context == "" && env("KUBERNETES_SERVICE_HOST") != "" {
		return kubernetes.InCluster(o)
	}
	return kubernetes.FromKubeconfig(kubeconfig, context, o)
}

// privateKey returns a key in PEM, which may be given in base64: PEM has several lines, and
// neither a line of a settings file nor every dashboard takes these.
func privateKey(text string) []byte {
	if key, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		return key
	}
	return []byte(text)
}

// only reports whether a query has no parameters but those.
func only(query url.Values, names ...string) bool {
	for name := range query {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// kubernetesStore returns an Opener of the Leases of a namespace, by kubernetes://NAMESPACE or
// kubernetes://, which is the namespace of the pod or of the kubeconfig's context. The query
// may have context and kubeconfig. Without them, KUBERNETES_CONTEXT and KUBECONFIG of the
// environment count.
func kubernetesStore(env func(string) string) cli.Opener {
	return func(text string, _ bool, opts *leader.Options) (cli.Store, error) {
		u, err := url.Parse(text)
		if err != nil || u.Opaque != "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" || !only(u.Query(), "context", "kubeconfig") {
			return cli.Store{}, errors.New("the URL cannot be read: write it as kubernetes://NAMESPACE, or kubernetes:// for the namespace of the pod or of the kubeconfig's context, with ?context=NAME for another context")
		}
		of := func(parameter, variable string) string { return cmp.Or(u.Query().Get(parameter), env(variable)) }
		e := cluster(u.Host, of("kubeconfig", "KUBECONFIG"), of("context", "KUBERNETES_CONTEXT"), env).Elector(opts)
		if err := e.Validate(); err != nil {
			return cli.Store{}, err
		}
		return cli.Store{Elector: e.Elector}, nil
	}
}
