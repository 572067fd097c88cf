// Package kubecluster starts a real Kubernetes API server for tests, with etcd and the
// controllers of Deployments, StatefulSets and HorizontalPodAutoscalers. Instead of nodes
// it has a small kubelet that says of each pod that it is ready.
//
// The programs are those that build.sh makes, and the etcd of the PATH. keda.sh makes those
// of [Cluster.StartKEDA]. Where one is missing, or AUTOSCALE_TEST_KUBERNETES is not set,
// [Start] skips the test and says how to run it.
package kubecluster

import (
	"os"
	"path/filepath"
)

// Version is the version of Kubernetes that is looked for.
const Version = "1.35.4"

// The tokens of a Cluster.
const (
	// AdminToken may do everything.
	AdminToken = "admin-token-of-the-tests"
	// PoorToken is that of the user "poor", who has no rights of its own.
	PoorToken = "poor-token-of-the-tests"
	// PoorUser is the user of PoorToken.
	PoorUser = "poor"
)

// BinDir returns where build.sh puts the programs.
func BinDir() string {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "autoscale-ci", "kubernetes-v"+Version)
}
