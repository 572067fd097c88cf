package redis

import (
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/leader"
)

// use describes what a key is used for.
type use struct {
	thing    string   // what is in the key
	remedy   string   // what to do if the key holds something else
	commands []string // the commands that it needs
	without  string   // what does not work while it fails
}

var leaseUse = use{
	thing: "a lease", remedy: "use another Name or prefix",
	commands: []string{"eval", "evalsha", "time", "exists", "hget", "hmget", "hset"},
	without:  "nobody can lead",
}

// explain adds to an error what to do about it, and marks permanent errors.
func (u use) explain(err error, key string) error {
	if err == nil {
		return nil
	}
	clean := outbound.Redact(err)
	var reply goredis.Error
	if !errors.As(err, &reply) { // the error does not come from the server
		return clean
	}
	// Before Redis 7, the error of a command in a script has the wording of Lua.
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
