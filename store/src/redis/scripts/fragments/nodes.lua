-- Nodes: signs of life.

-- Notes a sign of life; answers whether the node may take work.
local function see(node, now)
  local known = redis.call('HMGET', key.node(node), 'builds', 'draining', 'away')
  if not known[1] then return true end
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
