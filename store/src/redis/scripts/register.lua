-- node, its JSON, builds, ms after which a silent node is forgotten, most nodes to forget, ms of
-- silence in which a node goes on draining, whether it says itself that it takes no work, memory, usual pace
local node, now = ARGV[1], now_ms()
local known = redis.call('HMGET', key.node(node), 'draining', 'seen', 'pace')
local drains = known[1] == '1' and now - known[2] <= tonumber(ARGV[6])
unable(node)
redis.call('HSET', key.node(node), 'info', ARGV[2], 'builds', ARGV[3],
  'seen', 0, 'pace', known[3] or ARGV[9], 'draining', drains and 1 or 0, 'away', ARGV[7], 'memory', ARGV[8])
see(node, now)
local silent = redis.call('ZRANGE', key.seen, '-inf', now - ARGV[4], 'BYSCORE', 'LIMIT', 0, ARGV[5])
for _, old in ipairs(silent) do
  if redis.call('SCARD', key.holds(old)) == 0 then
    unable(old)
    redis.call('DEL', key.node(old))
    redis.call('ZREM', key.seen, old)
  end
end
return 1
