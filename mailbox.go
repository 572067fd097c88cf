package autoscale

import (
	"sync"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// mailbox is where other goroutines leave reports for the loop. Nothing else in an
// Autoscaler is written outside the loop.
type mailbox struct {
	mu      sync.Mutex
	mail    mail
	given   command // to this process
	running bool
}

// mail is what was reported since the last tick.
type mail struct {
	notified uint64
	failed   int // notifications
	dropped  int // notifications
	panics   int // of the logger
	err      error
	faults   []fault
}

// A fault is a panic of a part that the host supplied.
type fault struct {
	part string
	err  error
}

// maxFaults bounds the faults of one tick.
const maxFaults = 16

// take returns what was reported, and empties the mailbox.
func (b *mailbox) take() mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mail
	b.mail = mail{}
	return m
}

// counters returns m as Counters count it.
func (m mail) counters() Counters {
	return Counters{
		Notified: m.notified, NotifyFailures: uint64(m.failed), Dropped: uint64(m.dropped), Panics: uint64(m.panics),
	}
}

// fault reports err if it is a panic.
func (b *mailbox) fault(part string, err error) {
	if guard.Of(err) == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mail.faults) < maxFaults {
		b.mail.faults = append(b.mail.faults, fault{part, err})
	}
}

// delivered reports the result of a notification.
func (b *mailbox) delivered(part string, err error) {
	b.mu.Lock()
	if err == nil {
		b.mail.notified++
	} else {
		b.mail.failed++
		b.mail.err = err
	}
	b.mu.Unlock()
	b.fault(part, err)
}

// dropped reports that there was no room or no time for n notifications.
func (b *mailbox) dropped(n int) {
	b.mu.Lock()
	b.mail.dropped += n
	b.mu.Unlock()
}

// loggerPanicked counts a panic of the logger.
func (b *mailbox) loggerPanicked() {
	b.mu.Lock()
	b.mail.panics++
	b.mu.Unlock()
}

// give takes a command of a person.
func (b *mailbox) give(c command) {
	b.mu.Lock()
	b.given = c
	b.mu.Unlock()
}

// command returns the last one that was given to this process.
func (b *mailbox) command() command {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.given
}

func (b *mailbox) setRunning(running bool) {
	b.mu.Lock()
	b.running = running
	b.mu.Unlock()
}

// peek returns what Status shows of the mailbox.
func (b *mailbox) peek() (pending Counters, given command, running bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mail.counters(), b.given, b.running
}
