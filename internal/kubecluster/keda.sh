#!/usr/bin/env bash
# Builds KEDA's operator and its metrics adapter, unchanged, from KEDA's Go module into the
# user's cache, with its custom resources, for the tests of contrib/keda/kedatest. It takes
# from 10 to 50 minutes and is done once for each version. It needs Go and a module proxy.
#
#	internal/kubecluster/build.sh && internal/kubecluster/keda.sh && AUTOSCALE_TEST_KUBERNETES=1 go -C contrib/keda/kedatest test -v -timeout 30m ./realtest
set -euo pipefail
version=${1:-2.21.0}
dir=${XDG_CACHE_HOME:-$HOME/.cache}/autoscale-ci/keda-v$version
if [ -x "$dir/keda-operator" ] && [ -x "$dir/keda-adapter" ]; then
	echo "$dir has both already"
	exit
fi
# Outside of this project, whose go.mod "go mod download" would change.
src=$(cd /tmp && go mod download -json "github.com/kedacore/keda/v2@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
mkdir -p "$dir/crd"
install -m 644 "$src"/config/crd/bases/*.yaml "$dir/crd"
# It is built in its own folder of the module cache, with KEDA's own go.mod and go.sum:
# another module would not have the versions that KEDA replaces.
for program in adapter operator; do
	echo "building keda-$program $version"
	CGO_ENABLED=0 go -C "$src" build -trimpath -o "$dir/keda-$program.new" \
		-ldflags "-s -w -X github.com/kedacore/keda/v2/version.Version=$version" "./cmd/$program"
	mv "$dir/keda-$program.new" "$dir/keda-$program"
done
