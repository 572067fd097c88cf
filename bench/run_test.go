package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// The whole command, on a trace of minutes: one setting of each family, several
// at a time, and the same again.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	trace := "time,requests\n"
	for i := range 20 {
		requests := 600
		if i >= 8 && i < 14 {
			requests = 2400
		}
		trace += fmt.Sprintf("%s,%d\n", time.Unix(int64(60*i), 0).UTC().Format(time.RFC3339), requests)
	}
	if err := os.WriteFile(filepath.Join(dir, "burst.csv"), []byte(trace), 0o644); err != nil {
		t.Fatal(err)
	}
	page := func() string {
		t.Helper()
		s, err := parse([]string{
			"-traces", dir, "-seeds", "2", "-peak", "5", "-workers", "3", "-out", dir,
			"-only", "board [67]0|share [67]0|view [67]0|true.*[67]0|HPA [67]0|KPA [67]0|clairvoyant [5678]|nothing left|M of N def|Consecutive|Heroku p95 500|AWS.*60|Judo.*200|HireFire.*500|React 65|static",
		})
		if err != nil {
			t.Fatal(err)
		}
		s.page, s.progress = io.Discard, t.Output()
		if err := run(t.Context(), t, s, "go run ."); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := page()
	for _, family := range []string{ours, oneShare, idealView, presentRate, foresight, heartbeat, "Consecutive", kubernetes, knative, heroku, "Judoscale", "HireFire", "AWS", "React", clairvoyant, "static", "nothing left out", "burst"} {
		if !strings.Contains(first, "| "+family) && !strings.Contains(first, family+" |") {
			t.Errorf("the page says nothing about %s:\n%s", family, first)
		}
	}
	if strings.Contains(first, dir) {
		t.Error("the page says where the traces lie")
	}
	if again := page(); again != first {
		t.Errorf("the same command gave\n%s\nand then\n%s", first, again)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "front.svg"))
	if err != nil || !strings.Contains(string(svg), "burst") || strings.Contains(string(svg), "NaN") {
		t.Errorf("the chart is %.200s, %v", svg, err)
	}
}

// Names tell candidates apart, and each can be made.
func TestCandidates(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range candidates() {
		if seen[c.name()] {
			t.Errorf("two candidates are called %s", c.name())
		}
		seen[c.name()] = true
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-boot", "soon"}, {"-only", "("}, {"-seeds", "0"}, {"-days", "-1"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
