// Package kedatest tests package keda with KEDA's own client, and the manifests of
// contrib/keda/deploy with KEDA's own types. It is a module of its own because KEDA
// requires about 140 modules.
package kedatest
