package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// ReportPrefix is the prefix of the keys of metrics boards.
const ReportPrefix = "autoscale:report:"

// reportKept is how long a report is kept after it was published.
const reportKept = 10 * time.Minute

// MetricsBoard returns a board for [traffic.Shared], on which the processes of a service
// publish what they measured. It is one key, ReportPrefix plus the name, with a hash that
// has a field for each process.
//
// It uses the options Name and App. If opts is nil, the default options are used. Without
// a Name the board is called after App, and without an App [autoscale.DefaultName]. Boards
// of different names do not see each other's reports. If two process types of an
// application publish reports, each needs its own Name.
//
// Each call is one Lua script, and one round trip, or two after a restart of the server.
// Ages are by the server's clock. If the server loses the reports, they are back as soon
// as the processes publish again. The first report of a process deletes reports of others
// that are ten minutes old. The key expires if nothing is published for twenty minutes.
//
// The user needs only these rights:
//
//	~autoscale:report:* +eval +evalsha +time +hset +hdel +hgetall +pexpire
func MetricsBoard(client goredis.UniversalClient, opts *leader.Options) traffic.MetricsBoard {
	var o leader.Options
	if opts != nil {
		o = *opts
	}
	return &board{
		store:   &lease{client: client, prefix: ReportPrefix, use: boardUse},
		name:    cmp.Or(o.Name, o.App, names.App(os.Getenv), autoscale.DefaultName),
		publish: goredis.NewScript(publishScript),
		reports: goredis.NewScript(reportsScript),
	}
}

// board is a traffic.MetricsBoard. It uses store for its calls only.
type board struct {
	store            *lease
	name             string
	publish, reports *goredis.Script
}

func (b *board) Validate() error {
	if v := reflect.ValueOf(b.store.client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redis: the client is nil: make one with NewClient of go-redis and give it")
	}
	return nil
}

func (b *board) Publish(ctx context.Context, member string, report []byte) error {
	if len(report) > traffic.MaxReportSize {
		return fmt.Errorf("redis: publish: the report of %.80q has %d bytes, more than %d", member, len(report), traffic.MaxReportSize)
	}
	_, err := b.run(ctx, "publish a report", b.publish, member, string(report), reportKept.Microseconds())
	return err
}

func (b *board) Read(ctx context.Context, fresh time.Duration) ([]traffic.Report, error) {
	const what = "read the reports"
	values, err := b.run(ctx, what, b.reports, fresh.Microseconds(), traffic.MaxReports)
	if err != nil {
		return nil, err
	}
	f := fields{values: values}
	reports := make([]traffic.Report, 0, len(values)/3)
	for i := 0; i+2 < len(values); i += 3 {
		reports = append(reports, traffic.Report{Member: f.text(i), Data: f.bytes(i + 1), Age: f.duration(i + 2)})
	}
	if f.err != nil {
		return nil, fmt.Errorf("redis: %s: the server's answer is not one of a metrics board: %w", what, f.err)
	}
	return reports, nil
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

// boardUse has the texts for the errors of a board.
var boardUse = use{
	thing: "a metrics board", remedy: "use another name",
	commands: []string{"eval", "evalsha", "time", "hset", "hdel", "hgetall", "pexpire"},
	without:  "nothing is published",
}

// A field's value is the time of publication in microseconds, a space, and the report.
const boardHead = `
local key, time = KEYS[1], redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function each(f)
	local all = redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		local at, report = string.match(all[i + 1], '^(%d+) (.*)$')
		if not at then return redis.error_reply('WRONGTYPE The hash is not a metrics board, by its field ' .. all[i]) end
		f(all[i], now - at, report)
	end
end
`

const publishScript = boardHead + `
local member, report, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
if report == '' then
	redis.call('HDEL', key, member)
	return {}
end
local new = redis.call('HSET', key, member, string.format('%.0f ', now) .. report) == 1
redis.call('PEXPIRE', key, 2 * kept / 1000)
if new then
	local fault = each(function(other, age)
		if age >= kept or age <= -kept then redis.call('HDEL', key, other) end
	end)
	if fault then return fault end
end
return {}
`

// A report from the future is not fresh. A clock that was set back leaves such
// reports behind.
const reportsScript = boardHead + `
local fresh, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local list = {}
local fault = each(function(member, age, report)
	if age >= 0 and age < fresh then list[#list + 1] = {member, report, age} end
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
