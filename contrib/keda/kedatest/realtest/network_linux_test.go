package realtest_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// host is the name of the Service of service.yaml.
const host = "web-autoscale.default.svc.cluster.local"

// serveDNS is the name server of the cluster: it answers with the addresses of the pods, as
// for a headless Service.
func (s *service) serveDNS(t testing.TB) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	s.dns = conn.LocalAddr().String()
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if !strings.EqualFold(q.Name.String(), host+".") {
				m.RCode = dnsmessage.RCodeNameError
			} else if q.Type == dnsmessage.TypeA {
				for _, addr := range s.addresses() {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1},
						Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(addr).To4())},
					})
				}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
}

// serveFront sends each connection to the page of a pod that accepts it. KEDA's HTTP client
// asks the machine's own name server, which does not know the Service.
func (s *service) serveFront(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s.front = l.Addr().String()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				for _, addr := range s.addresses() {
					out, err := net.Dial("tcp", net.JoinHostPort(addr, s.http))
					if err != nil {
						continue
					}
					defer out.Close()
					go func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() }()
					_, _ = io.Copy(in, out)
					return
				}
			}()
		}
	}()
}
