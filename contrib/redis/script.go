package redis

import goredis "github.com/redis/go-redis/v9"

// Each of the scripts gets one key, and answers with an empty list if it did nothing. All
// times are in microseconds. A number in Lua has 53 bits, so versions and terms stay below
// 2^53.

// newScript adds the common beginning of the scripts: the server's time, and the row,
// which is empty if there is none.
func newScript(body string) *goredis.Script { return goredis.NewScript(head + body) }

const head = `
local key, time = KEYS[1], redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local row = {}
if redis.call('EXISTS', key) == 1 then
	local names = {'holder', 'term', 'renewal', 'ttl', 'expires', 'version', 'saved'}
	local values = redis.call('HMGET', key, unpack(names))
	for i, name in ipairs(names) do
		row[name] = values[i]
		if not values[i] or i > 1 and not tonumber(values[i]) then
			return redis.error_reply('WRONGTYPE The hash is not a lease, by its field ' .. name)
		end
	end
end

local function set(changes)
	local list = {}
	for name, value in pairs(changes) do
		if type(value) == 'number' then value = string.format('%.0f', value) end
		row[name] = value
		list[#list + 1] = name
		list[#list + 1] = value
	end
	redis.call('HSET', key, unpack(list))
end

local function held(holder, term)
	return row.holder == holder and row.term == term and tonumber(row.expires) > now
end

local function answer(seen)
	local state = row.version ~= seen and redis.call('HGET', key, 'state')
	local function text(n) return string.format('%.0f', n) end
	return {row.holder, row.term, row.renewal, row.ttl, text(row.expires - now), row.version,
		state, text(now - row.saved), redis.call('HGET', key, 'command')}
end
`

const readScript = `
if not row.holder then return {} end
return answer(ARGV[1])
`

const acquireScript = `
local seen, holder, ttl, top = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local stale = ARGV[5] == '1' and row.holder == ARGV[6] and row.term == ARGV[7] and row.renewal == ARGV[8]
if row.holder and row.holder ~= holder and tonumber(row.expires) > now and not stale then return {} end
local term = math.max(now, (row.term or 0) + 1, top + 1)
if term >= 2^53 then
	return redis.error_reply('WRONGTYPE The hash is not a lease: no term is above ' .. (row.term or ARGV[4]))
end
set{holder = holder, term = term, renewal = 0, ttl = ttl, expires = now + ttl,
	version = row.version or 0, saved = row.saved or 0}
return answer(seen)
`

const renewScript = `
local seen, holder, ttl, term = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not held(holder, term) then return {} end
set{renewal = row.renewal + 1, ttl = ttl, expires = now + ttl}
return answer(seen)
`

const releaseScript = `
if not held(ARGV[1], ARGV[2]) then return {} end
set{expires = 0}
return {1}
`

const saveScript = `
if not held(ARGV[1], ARGV[2]) or tonumber(row.version) > tonumber(ARGV[4]) then return {} end
set{state = ARGV[3], version = ARGV[4], saved = now}
return {1}
`

const commandScript = `
if not row.holder then set{holder = '', term = 0, renewal = 0, ttl = 0, expires = 0, version = 0, saved = 0} end
set{command = ARGV[1]}
return {1}
`
