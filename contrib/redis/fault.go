package redis

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/leader"
)

// explain says what to do about an error, and marks the permanent ones.
func explain(err error, key string) error {
	if err == nil {
		return nil
	}
	clean := redact(err)
	reply, ok := errors.AsType[goredis.Error](err)
	if !ok { // not the server's
		return clean
	}
	// Before Redis 7, an error within a script comes in the words of Lua.
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
		return leader.Permanent(fmt.Errorf("the user may not use the key %q or a command: grant it ~%s +eval +evalsha +time +exists +hget +hmget +hset: %w", key, key, clean))
	case said("unknown command", "Unknown Redis command"):
		return leader.Permanent(fmt.Errorf("the server lacks a command that the lease needs: use Redis 5 or later, with eval, evalsha, time, exists, hget, hmget and hset under their own names: %w", clean))
	case said("WRONGTYPE"):
		return leader.Permanent(fmt.Errorf("the key %q holds something else than a lease: delete it, or use another Name or prefix: %w", key, clean))
	case said("READONLY"):
		return fmt.Errorf("the server is a read-only replica: nobody can lead until it, or the address, is a primary: %w", clean)
	case said("MOVED "):
		return fmt.Errorf("the key %q is on another server of a cluster: make the client with NewClusterClient: %w", key, clean)
	}
	return clean
}

// redact returns err without what looks like a password in its words: a dialer or
// a provider of credentials may repeat the URL that it was given.
func redact(err error) error {
	text := err.Error()
	clean := userinfo.ReplaceAllString(text, "$1…@")
	clean = password.ReplaceAllString(clean, "$1…")
	if clean == text {
		return err
	}
	return &redacted{clean, func(target error) bool { return errors.Is(err, target) }}
}

var (
	userinfo = regexp.MustCompile(`(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/]*@`)
	password = regexp.MustCompile(`(?i)(\b\w*(?:password|passwd|pwd|secret|token)\s*[=:]\s*)(?:'[^']*'|"[^"]*"|[^\s&;,]+)`)
)

// redacted does not hold the error that it stands for, as others would print it.
type redacted struct {
	text string
	is   func(target error) bool
}

func (e *redacted) Error() string        { return e.text }
func (e *redacted) Is(target error) bool { return e.is(target) }
