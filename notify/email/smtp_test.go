package email_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// delivery is a mail that a server took.
type delivery struct {
	from string
	to   []string
	text string // as received, with its headers
	tls  bool
	user string // whoever logged in
}

// smtpServer is an SMTP server for one test: it keeps the mails and answers by
// its script.
type smtpServer struct {
	listener net.Listener
	config   *tls.Config
	implicit bool           // TLS from the first byte
	features []string       // what EHLO lists
	password string         // that AUTH PLAIN and LOGIN accept
	replies  map[string]any // what is answered to a command instead, a string or a func(*session)
	conns    sync.WaitGroup

	mu       sync.Mutex
	mails    []delivery
	commands []string
	sessions int
}

// session is one connection.
type session struct {
	*smtpServer
	conn  net.Conn
	r     *bufio.Reader
	mail  delivery
	draft string // the last text, taken or not
	tls   bool
	user  string
}

// stall answers nothing until the other side closes the connection.
func stall(s *session) { io.Copy(io.Discard, s.r) }

// hangUp closes the connection without a word.
func hangUp(s *session) { s.conn.Close() }

func (s *session) reply(lines ...string) {
	for _, l := range lines {
		fmt.Fprintf(s.conn, "%s\r\n", l)
	}
}

// start serves on a port of this machine until the test ends, and fails the test
// if a connection is left open.
func (s *smtpServer) start(t *testing.T) *smtpServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener = l
	s.conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.sessions++
			s.mu.Unlock()
			s.conns.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.conns.Wait() // hangs where the client leaves a connection open
	})
	return s
}

func (s *smtpServer) serve(conn net.Conn) {
	defer conn.Close()
	c := &session{smtpServer: s, conn: conn, r: bufio.NewReader(conn)}
	if c.scripted("accept") {
		return
	}
	if s.implicit {
		c.secure()
	}
	if c.scripted("greeting") {
		return
	}
	c.reply("220 test ESMTP")
	for {
		line, err := textproto.NewReader(c.r).ReadLine()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.commands = append(s.commands, line)
		s.mu.Unlock()
		verb, arg, _ := strings.Cut(line, " ")
		if c.scripted(line) || c.scripted(strings.ToUpper(verb)) {
			continue
		}
		if !c.do(strings.ToUpper(verb), arg) {
			return
		}
	}
}

// scripted answers by the script, if that has an answer to key.
func (s *session) scripted(key string) bool {
	s.mu.Lock()
	answer, ok := s.replies[key]
	if list, more := answer.([]string); more { // each once
		if ok = len(list) > 0; ok {
			answer, s.replies[key] = list[0], list[1:]
		}
	}
	s.mu.Unlock()
	if !ok {
		return false
	}
	if f, ok := answer.(func(*session)); ok {
		f(s)
	} else {
		s.reply(answer.(string))
	}
	return true
}

func (s *session) secure() {
	s.conn = tls.Server(s.conn, s.config)
	s.r = bufio.NewReader(s.conn)
	s.tls = true
}

func (s *session) do(verb, arg string) bool {
	switch verb {
	case "EHLO":
		lines := append([]string{"test"}, s.features...)
		if s.config != nil && !s.tls {
			lines = append(lines, "STARTTLS")
		}
		for i, l := range lines {
			sep := "-"
			if i == len(lines)-1 {
				sep = " "
			}
			s.reply("250" + sep + l)
		}
	case "STARTTLS":
		s.reply("220 go on")
		s.secure()
	case "AUTH":
		s.auth(arg)
	case "MAIL":
		s.mail = delivery{from: arg, tls: s.tls, user: s.user}
		s.reply("250 ok")
	case "RCPT":
		s.mail.to = append(s.mail.to, arg)
		s.reply("250 ok")
	case "DATA":
		s.reply("354 go on")
		if s.scripted("amid DATA") {
			return false
		}
		b, err := textproto.NewReader(s.r).ReadDotBytes()
		if err != nil {
			return false
		}
		s.draft = string(b)
		if s.scripted("end of DATA") {
			return true
		}
		s.mail.text = string(b)
		s.mu.Lock()
		s.mails = append(s.mails, s.mail)
		s.mu.Unlock()
		s.reply("250 taken")
	case "RSET", "NOOP":
		s.reply("250 ok")
	case "QUIT":
		s.reply("221 bye")
		return false
	default:
		s.reply("500 what is " + verb)
	}
	return true
}

func (s *session) auth(arg string) {
	mechanism, first, _ := strings.Cut(arg, " ")
	var user, password string
	switch mechanism {
	case "PLAIN":
		b, _ := base64.StdEncoding.DecodeString(first)
		parts := strings.Split(string(b), "\x00")
		if len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		for i, prompt := range []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"} {
			s.reply("334 " + prompt)
			line, _ := textproto.NewReader(s.r).ReadLine()
			b, _ := base64.StdEncoding.DecodeString(line)
			*[]*string{&user, &password}[i] = string(b)
		}
	}
	if s.password == "" || password != s.password {
		s.reply("535 5.7.8 authentication failed")
		return
	}
	s.user = user
	s.reply("235 welcome")
}

func (s *smtpServer) addr() string { return s.listener.Addr().String() }

func (s *smtpServer) taken() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.mails...)
}

func (s *smtpServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

func (s *smtpServer) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.commands, "\n")
}

// certificates makes a certificate for 127.0.0.1 and the settings of both sides.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}
