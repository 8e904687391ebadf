-- ms in which a node was seen -> info, last sign of life, draining, chunks of each
local nodes = {}
for _, node in ipairs(redis.call('ZRANGE', key.seen, now_ms() - ARGV[1], '+inf', 'BYSCORE')) do
  local known = redis.call('HMGET', key.node(node), 'info', 'seen', 'draining')
  nodes[#nodes + 1] = { known[1], known[2], known[3], redis.call('SMEMBERS', key.holds(node)) }
end
return nodes
