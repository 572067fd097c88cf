package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// SharePrefix is what the keys of boards begin with.
const SharePrefix = "autoscale:share:"

// shareKept is how long a share that nobody renews is kept.
const shareKept = 10 * time.Minute

// Board returns a board for [traffic.Shared], on which the processes of a service put
// what they measured. It is one key, SharePrefix and name, with a hash in it that has
// a field for each process. Services that share a server need names of their own;
// empty means autoscale.DefaultName.
//
// Each call is one Lua script, and one round trip, or two after a restart of the
// server. Ages are by the server's clock. What a server forgets is there again as
// soon as the processes have published next. The first share of a process deletes
// those of others that are ten minutes old, and the key expires when nobody has
// published for twenty.
//
// A user with these rights is enough:
//
//	~autoscale:share:* +eval +evalsha +time +hset +hdel +hgetall +pexpire
func Board(client goredis.UniversalClient, name string) traffic.Board {
	return &board{
		store:   &lease{client: client, prefix: SharePrefix, use: boardUse},
		name:    cmp.Or(name, autoscale.DefaultName),
		publish: goredis.NewScript(publishScript),
		shares:  goredis.NewScript(sharesScript),
	}
}

// board is a traffic.Board. Of store it uses the calls alone.
type board struct {
	store           *lease
	name            string
	publish, shares *goredis.Script
}

func (b *board) Validate() error {
	if v := reflect.ValueOf(b.store.client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redis: the client is nil: make one with NewClient of go-redis and give it")
	}
	return nil
}

func (b *board) Publish(ctx context.Context, member string, share []byte) error {
	if len(share) > traffic.MaxShareSize {
		return fmt.Errorf("redis: publish: the share of %.80q has %d bytes, more than %d", member, len(share), traffic.MaxShareSize)
	}
	_, err := b.run(ctx, "publish a share", b.publish, member, string(share), shareKept.Microseconds())
	return err
}

func (b *board) Read(ctx context.Context, fresh time.Duration) ([]traffic.Share, error) {
	const what = "read the shares"
	values, err := b.run(ctx, what, b.shares, fresh.Microseconds(), traffic.MaxShares)
	if err != nil {
		return nil, err
	}
	f := fields{values: values}
	shares := make([]traffic.Share, 0, len(values)/3)
	for i := 0; i+2 < len(values); i += 3 {
		shares = append(shares, traffic.Share{Member: f.text(i), Data: f.bytes(i + 1), Age: f.duration(i + 2)})
	}
	if f.err != nil {
		return nil, fmt.Errorf("redis: %s: the server's answer is none of a board: %w", what, f.err)
	}
	return shares, nil
}

func (b *board) run(ctx context.Context, what string, s *goredis.Script, args ...any) ([]any, error) {
	err := b.Validate()
	if err != nil {
		return nil, err
	}
	values, err := b.store.run(ctx, s, b.name, args...)
	if err != nil {
		return nil, fmt.Errorf("redis: %s: %w", what, err)
	}
	return values, nil
}

// boardUse is what the errors of a board say.
var boardUse = use{
	thing: "a board", remedy: "use another name",
	commands: []string{"eval", "evalsha", "time", "hset", "hdel", "hgetall", "pexpire"},
	without:  "nothing is shared",
}

// A field's value is the time of publication in microseconds, a space, and the share.
const boardHead = `
local key, time = KEYS[1], redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function each(f)
	local all = redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		local at, share = string.match(all[i + 1], '^(%d+) (.*)$')
		if not at then return redis.error_reply('WRONGTYPE The hash is not a board, by its field ' .. all[i]) end
		f(all[i], now - at, share)
	end
end
`

const publishScript = boardHead + `
local member, share, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if share == '' then
	redis.call('HDEL', key, member)
	return {}
end
local new = redis.call('HSET', key, member, string.format('%.0f ', now) .. share) == 1
redis.call('PEXPIRE', key, 2 * kept / 1000)
if new then
	local fault = each(function(other, age)
		if age >= kept or age <= -kept then redis.call('HDEL', key, other) end
	end)
	if fault then return fault end
end
return {}
`

// A share from the future, which a clock that was set back leaves behind, is no
// fresh one.
const sharesScript = boardHead + `
local fresh, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local list = {}
local fault = each(function(member, age, share)
	if age >= 0 and age < fresh then list[#list + 1] = {member, share, age} end
end)
if fault then return fault end
table.sort(list, function(a, b) return a[3] < b[3] end)
local flat = {}
for i = 1, math.min(#list, most) do
	flat[#flat + 1] = list[i][1]
	flat[#flat + 1] = list[i][2]
	flat[#flat + 1] = string.format('%.0f', list[i][3])
end
return flat
`
