package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// run runs the program to its end.
func run(t *testing.T, environ []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Dir = append([]string{"AUTOSCALEBOT_TEST=1", "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, environ...), t.TempDir()
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// says fails the test unless the program ends with that status and says all of that.
func says(t *testing.T, environ []string, args string, status int, want ...string) {
	t.Helper()
	out, got := run(t, environ, strings.Fields(args)...)
	for _, each := range want {
		if got != status || !strings.Contains(out, each) {
			t.Errorf("%q ended with %d, want %d, and %q in\n%s", args, got, status, each, out)
		}
	}
}

func heartbeat(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(s.Close)
	return "HEARTBEAT_URL=" + s.URL
}

// kubeconfig writes a kubeconfig of s.
func kubeconfig(t *testing.T, s *kubetest.Server) string {
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ConnectionState().PeerCertificates[0].Raw})
	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: a, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: a, user: {token: %s}}],
contexts: [{name: a, context: {cluster: a, user: a, namespace: default}}]}
`, s.URL, base64.StdEncoding.EncodeToString(ca), kubetest.Token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A worker scales a Deployment, and keeps its state in Leases, which other commands read.
func TestKubernetes(t *testing.T) {
	s := kubetest.NewServer()
	defer s.Close()
	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
	file := kubeconfig(t, s)
	environ := []string{heartbeat(t), "PLATFORM=kubernetes", "KUBERNETES_TARGET=deployment/web", "KUBECONFIG=" + file}

	says(t, environ, "check", 0, "app        deployment/web, process type web\n", "size       2 processes ordered", "order      is permitted, according to a dry run")
	says(t, append(environ, "KUBERNETES_TARGET=deploy/web"), "check", 0, "size       2 processes ordered")
	says(t, append(environ, "KUBERNETES_TARGET=web"), "check", 2, `the target "web" is not kind/name`)
	says(t, append(environ, "KUBERNETES_NAMESPACE=no such"), "check", 2, `environment: KUBERNETES_NAMESPACE "no such" is not a name`)
	says(t, append(environ, "KUBERNETES_CONTEXT=b"), "check", 2, "context")
	says(t, append(environ, "KUBECONFIG="+file+string(filepath.ListSeparator)+"/nowhere"), "check", 0, "2 processes ordered")

	if n := len(s.Scales()); n > 0 {
		t.Errorf("check ordered %d times", n)
	}

	environ = append(environ, "AUTOSCALE_STORE=kubernetes://", "MIN_DYNOS=3", "HEARTBEAT_INTERVAL_IN_SECONDS=1")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env, cmd.Dir = append(environ, "AUTOSCALEBOT_TEST=1"), t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for web.Replicas() != 3 {
		<-poll.C
	}
	says(t, environ, "pause for 2h", 0, "paused")
	says(t, environ, "status", 0, "paused")
	says(t, []string{"KUBECONFIG=" + file}, "status --store=kubernetes://default --app=deployment/web", 0, "paused")
	says(t, []string{"KUBECONFIG=" + file, "K_SERVICE=deployment/web"}, "status --store=kubernetes://default", 0, "paused")
	says(t, nil, "status --store=kubernetes://default?context=a&kubeconfig="+file+" --app=deployment/web", 0, "paused")
	says(t, []string{"KUBECONFIG=" + file}, "status --store=kubernetes://default?context=b --app=deployment/web", 2, `context "b" does not exist`)
	says(t, []string{"KUBECONFIG=" + file}, "status --store=kubernetes://default?contxt=a --app=deployment/web", 2, "write it as kubernetes://NAMESPACE")
	says(t, []string{"HOME=/nowhere"}, "status --store=kubernetes://default --app=deployment/web", 2, "there is no kubeconfig")
	says(t, []string{"KUBECONFIG=" + file}, "status --store=kubernetes:default --app=deployment/web", 2, "write it as kubernetes://NAMESPACE")
	says(t, []string{"KUBECONFIG=" + file}, "status --store=kubernetes://default --app=shop", 1, `no autoscaler ever led with the lease "shop/web"`)
}

// serveDokku answers as Dokku does behind SSH, for the app shop with one process.
func serveDokku(t *testing.T) (addr, hostKey, key string) {
	signer := func() (ssh.Signer, ed25519.PrivateKey) {
		_, private, _ := ed25519.GenerateKey(rand.Reader)
		s, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return s, private
	}
	host, _ := signer()
	_, private := signer()
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answer := func(command string) (string, byte) {
		switch fields := strings.Fields(command); {
		case len(fields) < 2 || fields[1] != "shop":
			return " !     App does not exist\n", 20
		case fields[0] == "apps:locked":
			return " !     Deploy lock does not exist\n", 1
		default:
			return "-----> Scaling for shop\nproctype: qty\n--------: ---\nweb: 1\n", 0
		}
	}
	serve := func(conn net.Conn) {
		_, channels, requests, err := ssh.NewServerConn(conn, config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for c := range channels {
			channel, requests, err := c.Accept()
			if err != nil {
				return
			}
			for r := range requests {
				if r.Type != "exec" {
					_ = r.Reply(r.Type == "env", nil)
					continue
				}
				_ = r.Reply(true, nil)
				text, status := answer(string(r.Payload[4:]))
				fmt.Fprint(channel, text)
				_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, status})
				_ = channel.Close()
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String(), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.PublicKey()))), string(pem.EncodeToMemory(block))
}

// The key may be given in PEM, or in base64 as one line.
func TestDokku(t *testing.T) {
	addr, hostKey, key := serveDokku(t)
	environ := []string{heartbeat(t), "PLATFORM=dokku", "DOKKU_APP=shop", "DOKKU_HOST=" + addr, "DOKKU_HOST_KEY=" + hostKey}
	for _, text := range []string{key, base64.StdEncoding.EncodeToString([]byte(key))} {
		says(t, append(environ, "DOKKU_SSH_KEY="+text), "check", 0, "app        shop, process type web\n", "size       1 process ordered")
	}
	says(t, append(environ, "DOKKU_SSH_KEY="+key, "DOKKU_APP=other"), "check", 1, "App does not exist")
	says(t, append(environ, "DOKKU_SSH_KEY=/home/shop/.ssh/id_ed25519"), "check", 2, "the private key is not an SSH key in PEM without a passphrase")
	says(t, append(environ, "DOKKU_SSH_KEY="+key, "DOKKU_HOST_KEY=AAAA"), "check", 2, "the host key is not a public key such as ssh-ed25519")
	says(t, environ, "check", 2, "DOKKU_SSH_KEY is missing: make a key with `ssh-keygen -t ed25519 -N ''`")
}
