package settings

import (
	"github.com/autoscalebot/autoscale"
)

// A ScalerFunc makes the Scaler of a platform. get returns the value of a setting, env looks
// up what the platform sets in Options.Environ, and process is PROCESS_TYPE. What is wrong
// with the settings, the Scaler reports by [autoscale.Validator].
type ScalerFunc func(get, env func(name string) string, process string) autoscale.Scaler

// apart are the platforms whose clients are modules of their own, so that this package need
// not import what they need. Options.Scalers makes their Scalers.
var apart = []platformChoice{
	{
		name:   "kubernetes",
		module: "contrib/kubernetes",
		keys: []key{
			{
				name:     "KUBERNETES_TARGET",
				required: "give what is scaled, as KUBERNETES_TARGET=deployment/web",
				field:    "kubernetes.Client.Scaler", example: "deployment/web",
				doc: "What is scaled, as deployment/web, statefulset/web, rollout/web or workers.example.com/web. Required on Kubernetes. All of these settings need the program from contrib/autoscalebot.",
			},
			{
				name: "KUBERNETES_NAMESPACE", field: "kubernetes.Options.Namespace", example: "shop",
				doc: "The namespace of the target. Without it: that of the pod or of the context.",
			},
			{
				name: "KUBECONFIG", ambient: true, field: "kubernetes.FromKubeconfig", example: "/home/shop/.kube/config",
				doc: "The kubeconfig file, or several, as kubectl has them. Without it: the service account in a pod, and ~/.kube/config elsewhere.",
			},
			{
				name: "KUBERNETES_CONTEXT", field: "kubernetes.FromKubeconfig", example: "production",
				doc: "The context of the kubeconfig file. Without it: the current one.",
			},
		},
		app: func(get func(string) string) string {
			if namespace := get("KUBERNETES_NAMESPACE"); namespace != "" {
				return namespace + "/" + get("KUBERNETES_TARGET")
			}
			return get("KUBERNETES_TARGET")
		},
	},
	{
		name:   "dokku",
		module: "contrib/dokku",
		keys: []key{
			{
				name:     "DOKKU_APP",
				required: "give the app's name, as DOKKU_APP=shop",
				field:    "dokku.Client.Scaler", example: "shop",
				doc: "The name of the app. Required on Dokku. All of these settings need the program from contrib/autoscalebot.",
			},
			{
				name:     "DOKKU_HOST",
				required: "give the server, as DOKKU_HOST=dokku.example.com",
				field:    "dokku.NewClient", example: "dokku.example.com",
				doc: "The server, as a host or as host:port. Required on Dokku.",
			},
			{
				name:     "DOKKU_HOST_KEY",
				required: "give the server's public key, which `ssh-keyscan -t ed25519 HOST` prints after the host",
				field:    "dokku.NewClient", example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILUTtbgkVdRGUnsEjKoGUuXsrsOUJtmWgBAFvAnHAAAA",
				doc: "The server's public key, as ssh-ed25519 AAAA…, which `ssh-keyscan -t ed25519 HOST` prints after the host. Required on Dokku.",
			},
			{
				name: "DOKKU_SSH_KEY", secret: true,
				required: "make a key with `ssh-keygen -t ed25519 -N ''`, and add it with `dokku ssh-keys:add`",
				field:    "dokku.NewClient", example: "bm8ga2V5IGF0IGFsbA==",
				doc: "An SSH private key without a passphrase, in PEM, or in base64 as one line. Required on Dokku. A secret.",
			},
			{
				name: "DOKKU_USER", field: "dokku.Options.User", example: "dokku",
				doc: "The name that logs in. Without it: dokku.",
			},
		},
		app: func(get func(string) string) string { return get("DOKKU_APP") },
	},
}

// maker returns what makes the Scaler of p, or nil if this program cannot.
func (v *values) maker(p *platformChoice) ScalerFunc {
	if p.scaler != nil {
		return p.scaler
	}
	return v.scalers[p.name]
}
