-- node, its JSON, builds, ms after which a silent node is forgotten, most nodes to forget
local node, now = ARGV[1], now_ms()
unable(node)
redis.call('HSET', key.node(node), 'info', ARGV[2], 'builds', ARGV[3], 'draining', 0)
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
