// Package realtest proves package kubernetes against a real API server with its
// controllers. The tests are skipped where these are not built: see README.md.
package realtest
