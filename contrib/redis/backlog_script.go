package redis

// countRights are the rights that countScript needs.
const countRights = "+eval +type +time +llen +lrange +scard +zcard +zcount +hlen +xlen +xinfo"

// countScript counts the jobs of one key by its type. Its argument is "waiting" or "busy".
//
// The sizes of scores: 1e11 s is the year 5138, and 1e11 ms is 1973. BullMQ's score of a
// delayed job is its time in ms * 4096, plus a counter below 4096. That of a prioritized
// job is its priority * 2^32, plus a counter, and is not a time.
// https://github.com/taskforcesh/bullmq/tree/master/src/commands/includes
//
// BullMQ 4 wakes its workers by a marker in the list, "0:" and the time of the next delayed
// job in ms, or "0:0". It adds one only to a short list.
const countScript = `
local key, busy = KEYS[1], ARGV[1] == 'busy'
local kind = redis.call('TYPE', key).ok

local function ends(suffix) return string.sub(key, -#suffix) == suffix end

local function list()
	local n = redis.call('LLEN', key)
	if n <= 128 and (ends(':wait') or ends(':paused') or ends(':active')) then
		for _, id in ipairs(redis.call('LRANGE', key, 0, -1)) do
			if string.match(id, '^0:[%d.]+$') then n = n - 1 end
		end
	end
	return n
end

local function sorted()
	if busy or ends(':prioritized') then return redis.call('ZCARD', key) end
	local time = redis.call('TIME')
	local ms = time[1] * 1000 + math.floor(time[2] / 1000)
	local function due(from, to) return redis.call('ZCOUNT', key, from, string.format('%.0f', to)) end
	return due('-inf', time[1]) + due('1e11', ms) + due('4e14', ms * 4096 + 4095)
end

local function stream()
	local groups = redis.call('XINFO', 'GROUPS', key)
	if #groups == 0 then
		if busy then return 0 end
		return redis.call('XLEN', key)
	end
	local n, field = 0, busy and 'pending' or 'lag'
	for _, group in ipairs(groups) do
		local value
		for i = 1, #group, 2 do
			if group[i] == field then value = group[i + 1] end
		end
		if not value then
			return redis.error_reply('ERR The server does not know how many entries of the stream its group ' .. group[2] .. ' has not read: this needs Redis 7, and no unread entry may be deleted')
		end
		n = n + value
	end
	return n
end

if kind == 'none' then return 0 end
if kind == 'list' then return list() end
if kind == 'set' then return redis.call('SCARD', key) end
if kind == 'zset' then return sorted() end
if kind == 'stream' then return stream() end
if kind == 'hash' and busy then return redis.call('HLEN', key) end
return redis.error_reply('WRONGTYPE The key holds a ' .. kind)
`
