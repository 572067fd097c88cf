//go:build race

package traffic_test

const race = true
