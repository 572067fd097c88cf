package heroku

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/autoscalebot/autoscale/internal/calls"
)

const tries = 3

// A call says what is done, for errors, and how hard it is tried.
type call struct {
	op, subject string
	urgency     calls.Urgency
	once        bool // do not try again
}

// invalid says that a call cannot be made at all.
func (c call) invalid(fault error) error {
	return fmt.Errorf("heroku: %s: %s: %w", c.op, c.subject, fault)
}

// do calls send until it succeeds, at most so often as call permits, each time
// with a deadline of its own. send must make one request, and build it each
// time: heroku-go's own repetition sends an empty body the second time, and sleeps past
// the end of its context.
func (c *Client) do(ctx context.Context, call call, send func(context.Context) error) error {
	var last *Error
	unsure := false
	for try := 1; ; try++ {
		if err := c.budget.Take(ctx, call.urgency); err != nil {
			return c.notSent(ctx, call, last, err)
		}
		call.urgency = calls.Urgent // what was begun is finished
		err := c.attempt(ctx, send)
		if err == nil {
			return nil
		}
		err.Op, err.Subject, err.Tries, err.token, err.unsure = call.op, call.subject, try, c.tokenName, unsure
		unsure = unsure || err.Status < 300 || err.Status >= 500
		last = err
		if !err.again || call.once || try == tries || ctx.Err() != nil {
			return err
		}
		// The next try must begin early enough to end; where it cannot, the
		// caller gets the time back.
		wait := max(err.RetryAfter, calls.Backoff(try))
		if wait >= calls.Patience(ctx) {
			return err
		}
		if stopped := calls.Pause(ctx, wait); stopped != nil {
			return c.notSent(ctx, call, last, stopped)
		}
	}
}

// notSent returns the error of a call that could not be sent, or sent again. What
// went wrong before says more than that there was no time to try again.
func (c *Client) notSent(ctx context.Context, call call, last *Error, err error) error {
	if last != nil {
		if ctx.Err() != nil {
			last.Err = calls.Ended(ctx, last.Err)
		}
		return last
	}
	var room *CallBudgetError
	if errors.As(err, &room) {
		room.Op, room.Subject = call.op, call.subject
		return room
	}
	return &Error{Op: call.op, Subject: call.subject, Err: err}
}

// attempt makes one request, and returns what became of it as an *Error of its own.
func (c *Client) attempt(parent context.Context, send func(context.Context) error) *Error {
	var a answer
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, calls.Slow{After: c.timeout})
	defer cancel()
	err := send(context.WithValue(ctx, answerKey{}, &a))
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		// The URL that net/http puts in front says nothing that op and subject do not.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		e = &Error{Status: a.status, RequestID: a.requestID, Err: err, again: a.status == 0}
	}
	if e.Err != nil {
		e.Err = c.worded(e.Err)
	}
	if ctx.Err() != nil {
		e.Err = calls.Ended(ctx, e.Err)
	}
	return e
}

// worded returns err in words fit for a log: it may quote an answer, or a request.
func (c *Client) worded(err error) error {
	text := err.Error()
	switch line := oneLine(c.scrub(text), 500); {
	case line == text:
		return err
	case c.scrub(text) != text:
		return errors.New(line) // what it wraps may hold the same
	default:
		return errWorded{line, err}
	}
}

// errWorded is an error in other words.
type errWorded struct {
	text string
	error
}

func (e errWorded) Error() string { return e.text }
func (e errWorded) Unwrap() error { return e.error }
