#!/usr/bin/env bash
# Builds the kube-apiserver and the kube-controller-manager that the tests of package
# kubecluster start, from their Go modules, into the user's cache. It takes from 5 to 25
# minutes and is done once for each version. It needs Go and a module proxy.
#
#	internal/kubecluster/build.sh && AUTOSCALE_TEST_KUBERNETES=1 go -C contrib/kubernetes test -v ./realtest
set -euo pipefail
version=${1:-1.35.4}
dir=${XDG_CACHE_HOME:-$HOME/.cache}/autoscale-ci/kubernetes-v$version
if [ -x "$dir/kube-apiserver" ] && [ -x "$dir/kube-controller-manager" ]; then
	echo "$dir has both already"
	exit
fi
src=$(mktemp -d)
trap 'rm -rf "$src"' EXIT
cd "$src"
# The staging modules have no version of their own in Kubernetes' go.mod.
{
	printf 'module kubernetes-build\n\ngo 1.25.0\n\nrequire k8s.io/kubernetes v%s\n\n' "$version"
	for module in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap \
		code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib \
		dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy \
		kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver; do
		printf 'replace k8s.io/%s => k8s.io/%s v0.%s\n' "$module" "$module" "${version#1.}"
	done
} >go.mod
cat >tools.go <<'G'
//go:build tools

package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
G
go mod tidy
minor=${version#1.}
stamp=k8s.io/component-base/version
mkdir -p "$dir"
for program in kube-apiserver kube-controller-manager; do
	echo "building $program $version"
	CGO_ENABLED=0 go build -trimpath -o "$dir/$program.new" \
		-ldflags "-s -w -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}" \
		"k8s.io/kubernetes/cmd/$program"
	mv "$dir/$program.new" "$dir/$program"
done
