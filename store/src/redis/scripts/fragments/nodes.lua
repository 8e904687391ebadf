-- Nodes: signs of life.

-- A sign of life so many milliseconds after the last one noted is not noted again.
local SEEN_STEP_MS = 500

-- Notes a sign of life; answers whether the node may take work.
local function see(node, now)
  local known = redis.call('HMGET', key.node(node), 'builds', 'draining', 'away', 'seen')
  if not known[1] then return true end
  if now - (known[4] or 0) < SEEN_STEP_MS then return known[2] ~= '1' end
  redis.call('HSET', key.node(node), 'seen', now)
  redis.call('ZADD', key.seen, now, node)
  if known[2] == '1' then return false end
  -- A node that is away by its own word may still try a chunk; nobody counts on it.
  if known[3] == '1' then return true end
  redis.call('ZADD', key.able(''), now, node)
  redis.call('ZADD', key.able(known[1]), now, node)
  return true
end

local function unable(node)
  redis.call('ZREM', key.able(''), node)
  local builds = redis.call('HGET', key.node(node), 'builds')
  if builds then redis.call('ZREM', key.able(builds), node) end
end
