-- most leases -> chunk, token, node, attempts of each
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', key.leases, '-inf', now_ms(), 'BYSCORE',
  'LIMIT', 0, ARGV[1])) do
  local known = redis.call('HMGET', key.chunk(id), 'token', 'node', 'attempts')
  ended[#ended + 1] = { id, known[1], known[2], known[3] }
end
return ended
