-- most leases, grace in ms -> chunk, token, node, silent attempts of each
local now, grace = now_ms(), tonumber(ARGV[2])
local asked, spared = string.match(redis.call('GET', key.reaped) or '', '^(%d+) (%d+)$')
asked, spared = tonumber(asked or 0), tonumber(spared or 0)
if now - asked > grace / 2 and now >= spared + 2 * grace then spared = now end
redis.call('SET', key.reaped, string.format('%d %d', now, spared))
-- What was over when the farm came back has until then to be renewed.
local from = now < spared + grace and '(' .. spared or '-inf'
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', key.leases, from, now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local known = redis.call('HMGET', key.chunk(id), 'token', 'node', 'silent_attempts')
  ended[#ended + 1] = { id, known[1], known[2], known[3] }
end
return ended
