package swarm_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/swarm"
)

// dockerVar names the socket of a Docker daemon that is a manager of a swarm of one node, as
// unix:///var/run/docker.sock. The tests make an image and services there, and remove the
// services. "start" starts a private daemon, as root, for a minute or two.
const dockerVar = "AUTOSCALE_TEST_DOCKER"

// What the fake passes, a real Docker daemon passes too.
func TestDocker(t *testing.T) {
	if testing.Short() {
		t.Skip("starts containers")
	}
	d := docker(t)
	d.load(t)
	for _, tt := range slices.Concat(both, real) {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, d) })
	}
}

// real are tests of what Swarm does, on which the documentation relies.
var real = []struct {
	name string
	test func(t *testing.T, d *daemon)
}{
	{"a task knows itself", func(t *testing.T, d *daemon) {
		d.create(t, "known", 2, nil)
		for slot, each := range d.run(t, "known", 2) {
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", each.pid))
			if err != nil {
				t.Skipf("the processes of the daemon are not to be seen: %v", err)
			}
			for _, want := range []string{fmt.Sprintf("TASK_SLOT=%d", slot), "TASK_ID=" + each.id, "SWARM_SERVICE=known"} {
				if !slices.Contains(strings.Split(string(environ), "\x00"), want) {
					t.Errorf("the environment of slot %d has no %s", slot, want)
				}
			}
		}
	}},
	{"a task that does not run is removed first", func(t *testing.T, d *daemon) {
		s := d.create(t, "restarted", 3, func(spec fields) {
			spec["TaskTemplate"].(fields)["RestartPolicy"] = fields{"Condition": "any", "Delay": int64(time.Minute)}
		})
		first := d.run(t, "restarted", 3)[1]
		if err := syscall.Kill(first.pid, syscall.SIGKILL); err != nil {
			t.Skipf("the processes of the daemon cannot be killed: %v", err)
		}
		until(t, "it is seen", func() bool { return capacity(t, s).Pending == 1 })
		order(t, s, 2)
		if got := slots(d.run(t, "restarted", 2)); !slices.Equal(got, []int{2, 3}) {
			t.Errorf("the slots %v are left", got)
		}
		order(t, s, 3)
		if got := slots(d.run(t, "restarted", 3)); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the slots are %v", got)
		}
	}},
	{"an order during an update loses its rollback", func(t *testing.T, d *daemon) {
		d.create(t, "lost", 1, func(spec fields) { addEnv(spec, "RELEASE=1") })
		d.run(t, "lost", 1)
		previous := func() string {
			return fmt.Sprint(container(d.get(t, "lost")["PreviousSpec"].(fields))["Env"])
		}
		d.change(t, "lost", func(spec fields) { addEnv(spec, "RELEASE=2") })
		if got := previous(); strings.Contains(got, "RELEASE=2") {
			t.Errorf("previous: %s", got)
		}
		d.change(t, "lost", setReplicas(2)) // as Scale would, and does not
		if got := previous(); !strings.Contains(got, "RELEASE=2") {
			t.Errorf("previous, after an order: %s", got)
		}
	}},
}

func of(socket string) *daemon {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &daemon{
		http: &http.Client{Transport: &http.Transport{DialContext: dial}}, base: "http://docker",
		options: platform.Options{BaseURL: "unix://" + socket, CallsPerHour: 1_000_000},
	}
}

// docker returns the daemon that the environment names, or starts one.
func docker(t *testing.T) *daemon {
	t.Helper()
	host := os.Getenv(dockerVar)
	if host != "" && host != "start" {
		return of(strings.TrimPrefix(host, "unix://"))
	}
	program, err := exec.LookPath("dockerd")
	switch {
	case host == "":
		t.Skipf("set %s to start, to start a private dockerd, or to the socket of a swarm's manager", dockerVar)
	case err != nil || os.Getuid() != 0:
		t.Fatal("a private Docker daemon needs root, and dockerd of the package docker.io")
	}
	// A socket's path is short.
	dir, err := os.MkdirTemp("/tmp", "swarm")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "docker.sock")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	authority, tlsHost := newCA(t), freePort(t)
	authority.write(t, dir, authority)
	cmd := exec.Command(program, "-H", "unix://"+socket, "-H", tlsHost,
		"--tlsverify", "--tlscacert", dir+"/ca.pem", "--tlscert", dir+"/cert.pem", "--tlskey", dir+"/key.pem", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("dockerd does not start: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	d := of(socket)
	t.Cleanup(func() {
		d.leave()
		stop(cmd, ended)
		log.Close()
		unmount(dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for up := false; !up; {
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			t.Skipf("dockerd cannot run here: %s", text[max(0, len(text)-1000):])
		case <-time.After(100 * time.Millisecond):
		}
		res, err := d.http.Get(d.base + "/_ping")
		if err == nil {
			res.Body.Close()
			up = res.StatusCode == http.StatusOK
		}
	}
	outside(t, d.options)
	outside(t, platform.Options{BaseURL: tlsHost}, dir)
	address := "127.0.0.1"
	init := fields{"ListenAddr": address + ":0", "AdvertiseAddr": address, "DataPathAddr": address}
	for _, port := range []string{"2377", "23770", "23771", "23772"} { // another swarm may be on this machine
		init["ListenAddr"] = address + ":" + port
		if d.call(t, "POST", "/swarm/init", init, nil) == 200 {
			return d
		}
	}
	t.Skip("no swarm can be made here")
	return nil
}

// freePort returns an address that nobody listens at, for now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "tcp://" + l.Addr().String()
}

// outside tests a daemon that is in no swarm, also by TLS.
func outside(t *testing.T, o platform.Options, certs ...string) {
	c := swarm.NewClient(strings.Join(certs, ""), &o)
	defer c.CloseIdleConnections()
	_, err := c.Scaler("web").Capacity(t.Context())
	var e *platform.Error
	if !errors.As(err, &e) || e.Status != 503 || e.Tries != 1 || !strings.Contains(err.Error(), "the Docker daemon is in no swarm: `docker swarm init` makes one") {
		t.Errorf("outside of a swarm: %v", err)
	}
}

// load makes the image of the tasks.
func (d *daemon) load(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "task")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "./testdata/task")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	_ = w.WriteHeader(&tar.Header{Name: "task", Mode: 0o755, Size: int64(len(text))})
	_, _ = w.Write(text)
	_ = w.Close() // into memory
	name, tag, _ := strings.Cut(image, ":")
	query := url.Values{"fromSrc": {"-"}, "repo": {name}, "tag": {tag}, "changes": {`ENTRYPOINT ["/task"]`}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", d.base+"/images/create?"+query.Encode(), &root)
	if err != nil {
		t.Fatal(err)
	}
	if status := d.do(t, req, nil); status != 200 {
		t.Fatalf("load the image: %d", status)
	}
}

// leave ends all tasks, so that the daemon stops none of them itself.
func (d *daemon) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", d.base+"/swarm/leave?force=1", nil)
	if res, err := d.http.Do(req); err == nil {
		res.Body.Close()
	}
	d.http.CloseIdleConnections()
}

// stop ends a daemon, and what it started.
func stop(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(time.Minute):
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
}

// unmount unmounts what is left below a folder, the deepest first.
func unmount(dir string) {
	text, _ := os.ReadFile("/proc/self/mounts")
	var mounts []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			mounts = append(mounts, f[1])
		}
	}
	slices.Sort(mounts)
	for _, m := range slices.Backward(mounts) {
		_ = syscall.Unmount(m, syscall.MNT_DETACH)
	}
}
