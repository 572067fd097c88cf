package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const (
	// maxTries is the most times that a mail is sent.
	maxTries = 2
	// shortestPause is the shortest time before the second try, and half the longest.
	shortestPause = time.Second
	// goodbye is how long a server may take to answer QUIT.
	goodbye = time.Second
)

// The mechanisms of authentication, best first. Without TLS, those that send the
// password in plain text come last. They are then used only with tls=off, or if the
// server is this machine.
var (
	mechanisms = []gomail.SMTPAuthType{
		gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5,
	}
	plainMechanisms = []gomail.SMTPAuthType{
		gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc,
	}
)

// failure is why the server did not accept messages.
type failure struct {
	msgs  []*gomail.Msg
	err   error
	again bool // whether another try can help without sending a mail twice
}

// deliver sends the messages. If another try can help for a message, it sends that
// one again.
func (n *notifier) deliver(ctx context.Context, msgs []*gomail.Msg) error {
	var errs []error
	for try := 1; ; try++ {
		var later []*gomail.Msg
		var soft []error
		for _, f := range n.send(ctx, msgs) {
			if f.again {
				later, soft = append(later, f.msgs...), append(soft, f.err)
			} else {
				errs = append(errs, f.err)
			}
		}
		if len(later) == 0 || try == maxTries || !wait(ctx, shortestPause+rand.N(shortestPause)) {
			return errors.Join(append(errs, soft...)...)
		}
		msgs = later
	}
}

// wait waits for d if there is time left after that, and reports whether it did.
func wait(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send sends the messages over one connection.
func (n *notifier) send(ctx context.Context, msgs []*gomail.Msg) []failure {
	var line line
	defer line.close()
	client, err := n.client(ctx, &line)
	if err != nil {
		return []failure{{msgs, err, false}}
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return []failure{n.refused(ctx, msgs, err)}
	}
	var failures []failure
	for i, m := range msgs {
		err := client.SendWithSMTPClient(conn, m)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return append(failures, n.refused(ctx, msgs[i:], err))
		}
		failures = append(failures, n.untaken(m))
	}
	// The answer to QUIT makes no difference to the mails.
	if end, ok := ctx.Deadline(); ok && conn.UpdateDeadline(min(goodbye, time.Until(end))) == nil {
		_ = conn.Quit()
	}
	return failures
}

// client sets up the mail library for one connection. The context closes line before the
// library's own timeout ends.
func (n *notifier) client(ctx context.Context, line *line) (*gomail.Client, error) {
	end, _ := ctx.Deadline()
	config := n.tls.Clone()
	var tlsFirst *tls.Config
	if n.server.security == implicitTLS {
		tlsFirst = config
	}
	options := []gomail.Option{
		gomail.WithTimeout(max(time.Until(end), 0) + goodbye),
		gomail.WithDialContextFunc(line.dialer(ctx, n.server.addr(), tlsFirst)),
		gomail.WithTLSConfig(config),
		gomail.WithTLSPolicy(gomail.NoTLS),
		// Both are useless on a new connection, and both wait for an answer.
		gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	mechanisms := mechanisms
	switch n.server.security {
	case startTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case noTLS:
		mechanisms = plainMechanisms
	}
	if n.helo != "" {
		options = append(options, gomail.WithHELO(n.helo))
	}
	if n.server.login {
		options = append(options, gomail.WithOpportunisticSMTPAuth(mechanisms...),
			gomail.WithUsername(n.server.user), gomail.WithPassword(n.server.password))
	}
	if n.ascii() {
		// A server refuses a mail that asks for SMTPUTF8 if the next server lacks it.
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	client, err := gomail.NewClient(n.server.host, options...)
	if err != nil {
		return nil, n.cleaned(err)
	}
	return client, nil
}

// ascii reports whether all addresses are ASCII.
func (n *notifier) ascii() bool {
	text := n.from.Address
	for _, a := range n.to {
		text += a.Address
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
}

// refused returns why a server accepted none of msgs.
func (n *notifier) refused(ctx context.Context, msgs []*gomail.Msg, err error) failure {
	if ctx.Err() != nil {
		return failure{msgs, fmt.Errorf("not done before the context ended: %w", context.Cause(ctx)), false}
	}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		advice := ""
		switch reply.Code {
		case 530, 534, 535, 538:
			advice = ": check the user and the password in the URL"
		}
		return failure{msgs, fmt.Errorf("the server answers %d (%s)%s", reply.Code, n.server.clean(reply.Msg), advice), reply.Code/100 == 4}
	}
	var network *net.OpError
	again := errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	err = n.cleaned(err)
	if strings.Contains(err.Error(), "does not support STARTTLS") {
		err = fmt.Errorf("%w: use smtps:// if it speaks TLS from the start, or append ?tls=off to the URL if the way to it is safe", err)
	}
	return failure{msgs, err, again}
}

// untaken returns why a server did not accept m. If the connection broke while the text
// was being sent, it is not known whether m was accepted.
func (n *notifier) untaken(m *gomail.Msg) failure {
	var send *gomail.SendError
	if !errors.As(m.SendError(), &send) {
		return failure{[]*gomail.Msg{m}, errors.New("the mail was not sent, for a reason that is not known"), false}
	}
	begun := send.Reason == gomail.ErrWriteContent || send.Reason == gomail.ErrSMTPDataClose
	again := send.IsTemp() || send.ErrorCode() == 0 && !begun
	words, _, _ := strings.Cut(send.Error(), ", affected ") // the recipient and the Message-ID
	return failure{[]*gomail.Msg{m}, fmt.Errorf("to %s: %s", m.GetTo()[0].Address, n.server.clean(words)), again}
}

// cleaned returns err if it does not contain a secret, and otherwise a new error
// without the secret.
func (n *notifier) cleaned(err error) error {
	if text := n.server.clean(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
