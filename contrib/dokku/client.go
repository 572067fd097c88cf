package dokku

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/internal/patience"
)

// The defaults of [Options].
const (
	DefaultUser      = "dokku"
	DefaultOrderTime = 15 * time.Minute
)

const (
	maxOutput = 64 << 10 // of the output of a command

	// longestCall bounds a command if the context has no deadline.
	longestCall = 30 * time.Second
)

// Options are the settings of a [Client]. The zero value is ready to use.
type Options struct {
	// User is the name with which the client logs in. Defaults to DefaultUser.
	User string

	// OrderTime is how long an order may go on after Scale has returned, at most an hour.
	// After that its connection is closed. The Autoscaler waits this long without an alarm:
	// see autoscale.OrderTimer. Defaults to DefaultOrderTime.
	OrderTime time.Duration
}

// A Client runs commands on one Dokku server, over one connection for each call. It is safe
// for concurrent use.
type Client struct {
	addr      string
	config    *ssh.ClientConfig
	orderTime time.Duration
	fault     error
}

var validHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]{1,253}$`)

// NewClient returns a client for a server, given as a host or as host:port. privateKey is
// an SSH private key in PEM, without a passphrase. hostKey is the server's public key, in
// the form "ssh-ed25519 AAAA…". If opts is nil, the default options are used. NewClient
// does no I/O. [Scaler.Validate] and every call report invalid arguments.
func NewClient(host string, privateKey []byte, hostKey string, opts *Options) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	c := &Client{addr: host, orderTime: cmp.Or(o.OrderTime, DefaultOrderTime)}
	if _, _, err := net.SplitHostPort(host); err != nil {
		c.addr = net.JoinHostPort(strings.Trim(host, "[]"), "22")
	}
	var faults []error
	if !validHost.MatchString(host) {
		faults, c.addr = append(faults, errors.New("the host is not a host, or host:port: give one such as dokku.example.com")), "not valid"
	}
	signer, err := ssh.ParsePrivateKey(privateKey)
	if err != nil {
		faults = append(faults, errors.New("the private key is not an SSH key in PEM without a passphrase: make one with `ssh-keygen -t ed25519 -N ''`"))
	}
	pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hostKey))
	if err != nil {
		faults = append(faults, errors.New("the host key is not a public key such as ssh-ed25519 AAAA…: `ssh-keyscan -t ed25519 HOST` prints it after the host"))
	}
	if o.OrderTime < 0 || o.OrderTime > patience.Longest {
		faults = append(faults, fmt.Errorf("Options.OrderTime is %v: it must be above 0 and at most %v, or 0 for %v", o.OrderTime, patience.Longest, DefaultOrderTime))
	}
	if c.fault = errors.Join(faults...); c.fault == nil {
		c.config = &ssh.ClientConfig{
			User: cmp.Or(o.User, DefaultUser), Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
			HostKeyCallback: ssh.FixedHostKey(pinned), HostKeyAlgorithms: algorithms(pinned.Type()),
			ClientVersion: "SSH-2.0-autoscale",
		}
	}
	return c
}

// algorithms returns the algorithms with which a server may sign for a type of key.
func algorithms(typ string) []string {
	if typ == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{typ}
}

// Format writes the address of the server, for every verb, and never the key.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "dokku.Client(%s)", c.addr) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (c *Client) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// A conn is a connection for one call.
type conn struct {
	client *ssh.Client
	net    net.Conn
}

// dial connects. The connection is closed when ctx ends.
func (c *Client) dial(ctx context.Context) (*conn, func(), error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	s, channels, requests, err := ssh.NewClientConn(raw, c.addr, c.config)
	if err != nil {
		stop()
		raw.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, nil, fmt.Errorf("connect: %w", short(err))
	}
	client := ssh.NewClient(s, channels, requests)
	return &conn{client, raw}, func() { stop(); client.Close() }, nil
}

// short cuts the text of an error, which the other side may have written.
func short(err error) error {
	if text := err.Error(); outbound.Text(text) != text {
		return errors.New(outbound.Text(text))
	}
	return err
}

// An output keeps the first bytes that a command writes, and discards the rest.
type output struct{ bytes.Buffer }

func (o *output) Write(p []byte) (int, error) {
	if room := maxOutput - o.Len(); room > 0 {
		o.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// start starts a command. wait returns its output, and how it ended.
func (c *conn) start(command string) (wait func() (stdout, stderr string, err error), err error) {
	session, err := c.client.NewSession()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", short(err))
	}
	var stdout, stderr output
	session.Stdout, session.Stderr = &stdout, &stderr
	if err := session.Start(command); err != nil {
		session.Close()
		return nil, fmt.Errorf("start the command: %w", short(err))
	}
	return func() (string, string, error) {
		err := session.Wait()
		session.Close()
		if err != nil {
			if _, exited := err.(*ssh.ExitError); !exited { //nolint:errorlint // it is not wrapped
				// The goroutines that write may still be at work.
				return "", "", fmt.Errorf("the connection ended before the command did: %w", short(err))
			}
		}
		return stdout.String(), stderr.String(), err
	}, nil
}
