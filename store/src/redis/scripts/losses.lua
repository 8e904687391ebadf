-- time, how long losses are kept in ms -> now, then the nodes that lost a lease then or later
local now = now_ms()
local since = math.max(tonumber(ARGV[1]), now - ARGV[2] + 1)
return { now, redis.call('ZRANGE', key.losses, since, '+inf', 'BYSCORE') }
