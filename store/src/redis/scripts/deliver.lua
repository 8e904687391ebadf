-- hold in ms -> time of the post, notice JSON, failures; nothing when no receiver is due
local now = now_ms()
local due = redis.call('ZRANGE', key.deliveries, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return false end
local first = redis.call('LINDEX', key.notices(due[1]), 0)
redis.call('ZADD', key.deliveries, now + math.max(1, ARGV[1]), due[1])
local posted, notice = string.match(first, '^(%d+) %d+ %S+ (.*)$')
return { posted, notice, redis.call('HGET', key.failures, due[1]) or 0 }
