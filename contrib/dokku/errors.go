package dokku

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// An Error is a command that failed. It never contains a key.
type Error struct {
	Op, Subject string // what was to be done, and to what
	Exit        int    // the exit status of the command. 0: it did not end, or its output makes no sense
	Message     string // Dokku's own words, on one line of at most 200 bytes; may be empty
	Advice      string // what to do; may be empty
	Err         error  // any other cause; may be nil
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, what Dokku said, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "dokku: %s: %s", e.Op, e.Subject)
	if e.Exit != 0 {
		fmt.Fprintf(&b, ": exit status %d", e.Exit)
	}
	if e.Message != "" {
		b.WriteString(": " + strings.TrimRight(e.Message, "."))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// failed returns the error of a command that ended with err after it wrote stderr.
func failed(op, subject, stdout, stderr string, err error) error {
	e := &Error{Op: op, Subject: subject, Err: err}
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		e.Exit, e.Err = exit.ExitStatus(), nil
		if e.Exit == 0 {
			e.Err = errors.New("the command was killed")
		}
	}
	e.Message = message(stderr)
	if e.Message == "" {
		e.Message = message(stdout)
	}
	e.Advice = advise(e)
	if strings.Contains(e.Message, "deploy lock") {
		return &autoscale.BusyError{Err: e, Unsure: true} // Dokku recorded the number before
	}
	return e
}

// message returns the last line that Dokku marked with "!", or the last line if
// there is none.
func message(text string) string {
	last := ""
	lines := strings.Split(text, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if marked, is := strings.CutPrefix(line, "!"); is {
			if strings.Contains(marked, "apps:unlock") { // the line before says why
				continue
			}
			return outbound.Text(strings.TrimSpace(marked))
		}
		if last == "" {
			last = line
		}
	}
	return outbound.Text(last)
}

const lockAdvice = "a deployment is under way, and the size stays as it is until it has ended. `dokku apps:unlock` removes a lock that was left behind"

func advise(e *Error) string {
	switch {
	case strings.Contains(e.Message, "deploy lock"):
		return lockAdvice
	case strings.Contains(e.Message, "formations key"):
		return "remove the quantity from the formation in app.json, and deploy"
	case strings.Contains(e.Message, "valid process name"):
		return "give a process type of the Procfile"
	case strings.Contains(e.Message, "does not exist"):
		return "check the app: `dokku apps:list` lists them"
	case e.Err != nil && strings.Contains(e.Err.Error(), "unable to authenticate"):
		return "add the public key with `dokku ssh-keys:add`"
	case e.Err != nil && strings.Contains(e.Err.Error(), "host key mismatch"):
		return "the server has another key than the one that was given: somebody may be in between, or the server was set up again"
	}
	return ""
}
