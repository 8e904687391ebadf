-- most leases, grace in ms -> chunk, token, node, silent attempts, last work of each
local now, grace, most = now_ms(), tonumber(ARGV[2]), tonumber(ARGV[1])
-- When somebody asked last, and the latest gap of asking: after the second number, until the third.
local asked, from, to = string.match(redis.call('GET', key.reaped) or '', '^(%d+) (%d+) (%d+)$')
asked, from, to = tonumber(asked or 0), tonumber(from or 0), tonumber(to or 0)
-- A clock that was set back leaves no times that are still to come.
if asked > now or to > now then asked, from, to = now, 0, 0 end
if now - asked > grace / 2 then from, to = asked, now end
redis.call('SET', key.reaped, string.format('%d %d %d', now, from, to))
local ids = {}
local function add(first, last)
  local found = redis.call('ZRANGE', key.leases, first, last, 'BYSCORE', 'LIMIT', 0, most - #ids)
  for _, id in ipairs(found) do ids[#ids + 1] = id end
end
if now < to + grace then
  -- Nobody could renew what ended in the gap.
  add('-inf', from)
  if #ids < most then add('(' .. to, now) end
else
  add('-inf', now)
end
local ended = {}
for _, id in ipairs(ids) do
  local known = redis.call('HMGET', key.chunk(id), 'token', 'node', 'silent_attempts', 'worked')
  ended[#ended + 1] = { id, known[1], known[2], known[3], known[4] }
end
return ended
