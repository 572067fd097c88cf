// Package secrettest has the test that no exported value shows a secret.
package secrettest
