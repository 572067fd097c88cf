package redis

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/leader"
)

// use is what a key is for.
type use struct {
	thing    string   // that is in the key
	remedy   string   // if the key holds something else
	commands []string // that it needs
	without  string   // the effect while it fails
}

var leaseUse = use{
	thing: "a lease", remedy: "use another Name or prefix",
	commands: []string{"eval", "evalsha", "time", "exists", "hget", "hmget", "hset"},
	without:  "nobody can lead",
}

// explain says what to do about an error, and marks the permanent ones.
func (u use) explain(err error, key string) error {
	if err == nil {
		return nil
	}
	clean := redact(err)
	var reply goredis.Error
	if !errors.As(err, &reply) { // not the server's
		return clean
	}
	// Before Redis 7, Lua words the error of a command in a script.
	said := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(reply.Error(), w) {
				return true
			}
		}
		return false
	}
	switch {
	case said("NOPERM", "The user executing the script can't"):
		return leader.Permanent(fmt.Errorf("the user may not use the key %q or a command: grant it ~%s +%s: %w", key, key, strings.Join(u.commands, " +"), clean))
	case said("unknown command", "Unknown Redis command"):
		return leader.Permanent(fmt.Errorf("the server lacks a command that %s needs: use Redis 5 or later, with %s under their own names: %w", u.thing, strings.Join(u.commands, ", "), clean))
	case said("WRONGTYPE"):
		return leader.Permanent(fmt.Errorf("the key %q holds something other than %s: delete it, or %s: %w", key, u.thing, u.remedy, clean))
	case said("READONLY"):
		return fmt.Errorf("the server is a read-only replica: %s until it, or the address, is a primary: %w", u.without, clean)
	case said("MOVED "):
		return fmt.Errorf("the key %q is on another server of a cluster: make the client with NewClusterClient: %w", key, clean)
	}
	return clean
}

// redact returns err on one short line, without what looks like a password. A dialer or a provider of
// credentials may repeat its URL.
func redact(err error) error {
	text := err.Error()
	clean := userinfo.ReplaceAllString(text, "$1…@")
	clean = password.ReplaceAllString(clean, "$1…")
	clean = outbound.Line(clean, maxText)
	if clean == text {
		return err
	}
	return &redacted{clean, func(target error) bool { return errors.Is(err, target) }}
}

// maxText is how many bytes of an error of others are shown, on one line.
const maxText = 500

var (
	userinfo = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/]*@`)
	password = regexp.MustCompile(`(?i)(\b\w*(?:password|passwd|pwd|secret|token)\s*[=:]\s*)(?:'[^']*'|"[^"]*"|[^\s&;,]+)`)
)

// redacted does not hold the original error, because others could print it.
type redacted struct {
	text string
	is   func(target error) bool
}

func (e *redacted) Error() string        { return e.text }
func (e *redacted) Is(target error) bool { return e.is(target) }
