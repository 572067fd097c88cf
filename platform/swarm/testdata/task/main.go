// Command task is the program that the tests run in a container.
package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// In a container without a shell, this is its own health check.
const healthy = "/healthy"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		if _, err := os.Stat(healthy); err != nil {
			os.Exit(1)
		}
		return
	}
	if os.Getenv("FAIL") != "" {
		os.Exit(3)
	}
	boot, _ := time.ParseDuration(os.Getenv("BOOT"))
	time.AfterFunc(boot, func() { _ = os.WriteFile(healthy, nil, 0o600) })
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	linger, _ := time.ParseDuration(os.Getenv("STOP"))
	time.Sleep(linger)
}
