// Package email sends events by mail, over SMTP. A mail says what happened, why, what to do
// and what happens next. If [Config.History] is set, it has a picture of the last hour.
//
//	cfg.Notifiers = []autoscale.Notifier{email.New(email.Config{
//		URL:  os.Getenv("SMTP_URL"), // smtp://user:password@smtp.example.com:587
//		From: "Autoscaler <autoscaler@example.com>",
//		To:   []string{"ops@example.com"},
//	})}
package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

const (
	// DefaultSubject begins the subject of each mail if Config.Subject is empty.
	DefaultSubject = "[autoscale] "
	// MaxRecipients is how many addresses a Config may name.
	MaxRecipients = 50
	// maxTime bounds a call of Notify whose context has no deadline.
	maxTime = 30 * time.Second
)

// A Config has the settings of a notifier by mail. URL, From and To are required. It shows
// no secret when it is formatted or encoded as JSON.
type Config struct {
	// URL names the server, and the user and password if it needs them:
	//
	//	smtp://user:password@smtp.example.com:587   STARTTLS; the default port is 587
	//	smtps://user:password@smtp.example.com:465  TLS from the start; the default port is 465
	//
	// Percent-encode special characters in the user and the password. With smtp, nothing is
	// sent to a server that does not offer STARTTLS. If the host is this machine, TLS is
	// not tried. A query changes this: ?tls=off sends everything unencrypted, including the
	// password, and ?tls=required demands STARTTLS from this machine too. The URL is a
	// secret.
	URL string `json:"-"`

	// From is the sender, such as "ops@example.com" or "Ops <ops@example.com>".
	From string

	// To are the recipients, in the same form, at most MaxRecipients. Each gets a separate
	// mail, so that a refused address does not affect the others.
	To []string

	// Subject begins each subject line. Empty: DefaultSubject.
	Subject string

	// HELO is the name that this machine gives in the SMTP command HELO. Empty: its host
	// name.
	HELO string

	// History returns what happened, as [autoscale.Autoscaler.History] does. Each mail then
	// shows a picture of the last hour: the size, what the rule recommended, and the load.
	// The picture never holds a mail back. If History does not return within a second,
	// returns an error or panics, the mail is sent without the picture. Nil: no picture.
	History func(ctx context.Context) (*history.Log, error) `json:"-"`

	// Page is the URL of the status page, beginning with https:// or http://. Each mail links
	// to it. It must not hold a password. Empty: no link.
	Page string `json:"-"`

	// TLS configures TLS. Nil: TLS 1.2 at least, with the certificate checked against the
	// server's name and the system's authorities. An empty ServerName is the URL's host.
	TLS *tls.Config `json:"-"`
}

// Format writes the settings without their secrets.
func (c Config) Format(f fmt.State, _ rune) {
	server := "?"
	if s, err := parseServer(c.URL); err == nil {
		server = s.addr()
	}
	fmt.Fprintf(f, "email.Config(%d recipients by %s)", len(c.To), server)
}

// New returns a notifier that sends a mail to each recipient for each event. The mail says
// what happened, why, what to do and what happens next, as HTML and as plain text. Each
// event has its own connection, which is closed when its context ends.
//
// The notifier tries a second time, after one or two seconds, if the server reports a
// temporary fault (a 4xx reply), or if the connection failed before the mail was sent. The
// second try leaves out the recipients whose mail was accepted, and sends the same mail,
// with the same Message-ID. If the connection broke in the middle of a mail, it is not
// known whether the mail was accepted, so it is not sent again. Greylisting takes longer
// than a notifier may take, so exempt the sender on the server.
//
// [autoscale.Config.Validate] and Notify report what is wrong with c. The notifier is safe
// for concurrent use.
func New(c Config) autoscale.Notifier {
	n := &notifier{subject: c.Subject, helo: c.HELO, history: c.History, page: c.Page}
	if n.subject == "" {
		n.subject = DefaultSubject
	}
	server, serverErr := parseServer(c.URL)
	n.server = &server
	var fromErr, toErr error
	n.from, fromErr = parseAddress("From", c.From)
	n.to, toErr = parseAddresses(c.To)
	n.tls = c.TLS.Clone()
	if n.tls == nil {
		n.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if n.tls.ServerName == "" {
		n.tls.ServerName = n.server.host
	}
	n.fault = errors.Join(serverErr, fromErr, toErr, checkHELO(c.HELO), checkPage(c.Page))
	return n
}

type notifier struct {
	server  *server // a pointer: fmt prints only its address if it cannot call Format
	tls     *tls.Config
	helo    string
	from    *mail.Address
	to      []*mail.Address
	subject string
	history func(ctx context.Context) (*history.Log, error)
	asking  atomic.Bool // a call of history has not returned yet
	page    string
	fault   error // what is wrong with the settings
}

// Validate reports what is wrong with the settings.
func (n *notifier) Validate() error { return n.fault }

func (n *notifier) Notify(ctx context.Context, e autoscale.Event) error {
	if n.fault != nil {
		return fmt.Errorf("notify: email: %w", n.fault)
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	if err := n.deliver(ctx, n.messages(e, n.picture(ctx, e))); err != nil {
		return fmt.Errorf("notify: email by %s: %w", n.server.addr(), err)
	}
	return nil
}

// Format writes the server and the number of recipients.
func (n *notifier) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "email.New(%d recipients by %s)", len(n.to), n.server.addr())
}

// parseAddress refuses control characters, whatever the parser permits, so that no line
// can be smuggled into a header or a command.
func parseAddress(field, text string) (*mail.Address, error) {
	if text == "" {
		return nil, fmt.Errorf("email.Config.%s is empty: give an address, as ops@example.com", field)
	}
	a, err := mail.ParseAddress(text)
	if err == nil && strings.ContainsFunc(text+a.Name+a.Address, unicode.IsControl) {
		err = errors.New("it has a control character")
	}
	if err != nil {
		return nil, fmt.Errorf("email.Config.%s is %q: write it as ops@example.com or Ops <ops@example.com>: %w", field, text, err)
	}
	return a, nil
}

func parseAddresses(texts []string) ([]*mail.Address, error) {
	if len(texts) == 0 {
		return nil, errors.New("email.Config.To is empty: name at least one recipient")
	}
	if len(texts) > MaxRecipients {
		return nil, fmt.Errorf("email.Config.To has %d recipients, and at most %d get a mail each: use a mailing list", len(texts), MaxRecipients)
	}
	var all []*mail.Address
	var errs []error
	for i, text := range texts {
		a, err := parseAddress(fmt.Sprintf("To[%d]", i), text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		same := func(b *mail.Address) bool { return b.Address == a.Address }
		if !slices.ContainsFunc(all, same) { // nobody gets two mails
			all = append(all, a)
		}
	}
	return all, errors.Join(errs...)
}

func checkHELO(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("email.Config.HELO is %q: it must be a host name, without spaces", name)
	}
	return nil
}

// checkPage never repeats the URL, because somebody may have put a password into
// it.
func checkPage(page string) error {
	return plain.CheckPage("email.Config.Page", "every recipient", page)
}
