-- node, builds, lease time in ms, 1 to steal, epoch, chunks to look at, ms in which another node
-- counts as seen, room in bytes, grants of a tenant of which one is for its oldest job
-- -> chunk, kind, next, stop, epoch, counter, attempts, traceparent; or nothing
local node, now = ARGV[1], now_ms()
local asks = {
  node = node, builds = ARGV[2], room = tonumber(ARGV[8]), now = now, look = tonumber(ARGV[6]),
  elsewhere = ARGV[7],
}

local function promote()
  local due = redis.call('ZRANGE', key.delayed, '-inf', now, 'BYSCORE', 'LIMIT', 0, asks.look)
  for _, id in ipairs(due) do
    local known = redis.call('HMGET', key.chunk(id), 'builds', 'place')
    redis.call('ZREM', key.delayed, id)
    enqueue(id, known[1], known[2])
  end
  rank_jobs()
end

-- Whether more of a job may be held: it is not paused, and it and its tenant are below their limits.
local function may_grant(job)
  local known = redis.call('HMGET', key.job(job), 'tenant', 'paused', 'held', 'held_max')
  if not known[1] or known[2] == '1' or not is_below(known[3], known[4]) then return false end
  local tenant = redis.call('HMGET', key.tenant(known[1]), 'held', 'held_max')
  return is_below(tenant[1], tenant[2])
end

-- The chunk that the node was told to yield for.
local function find_summoned()
  local summons = redis.call('HGET', key.summons, node)
  if not summons then return nil end
  redis.call('HDEL', key.summons, node)
  local until_ms, job = string.match(summons, '^(%d+) (.*)$')
  return tonumber(until_ms) > now and may_grant(job) and find_of_job(asks, job) or nil
end

-- Looks at so many tenants and jobs.
local function find_in_order(most)
  for _, tenant in ipairs(waiting_tenants(asks, most)) do
    local grants = tonumber(redis.call('HGET', key.tenant(tenant), 'grants') or 0)
    local is_turn = (grants + 1) % ARGV[9] == 0
    for _, job in ipairs((is_turn and oldest_jobs or urgent_jobs)(asks, tenant, most)) do
      local found = find_of_job(asks, job)
      if found then return found end
    end
  end
end

local function find_queued()
  -- Nearly always the head of everything fits.
  local found = find_summoned() or find_in_order(1) or find_in_order(asks.look)
  if not found then return nil end
  local tenant = key.tenant(redis.call('HGET', key.job(job_of(found)), 'tenant'))
  redis.call('HINCRBY', tenant, 'grants', 1)
  local served = tonumber(redis.call('HGET', tenant, 'served') or 0)
  if served > tonumber(redis.call('GET', key.level) or 0) then redis.call('SET', key.level, served) end
  return found
end

-- Whether a part of a held chunk may go to the node. It is held elsewhere, so there is an elsewhere for
-- one that the node should avoid.
local function may_split(_, id)
  local known = redis.call('HMGET', key.chunk(id), 'bytes', 'avoid')
  return tonumber(known[1]) <= asks.room and known[2] ~= node and may_grant(job_of(id))
end

-- Where the second half of the free units starts.
local function border_of(victim, taken)
  if victim.stop - victim.next == free_units(victim) then return victim.stop - taken end
  local border, units = victim.stop, key.units(task_of(victim.id))
  while taken > 0 do
    border = border - 1
    taken = taken - 1 + redis.call('HEXISTS', units, border)
  end
  return border
end

local function split(id)
  local victim, task = load_chunk(id), task_of(id)
  local free = free_units(victim)
  local taken = free == 1 and 1 or math.floor(free / 2)
  local border = border_of(victim, taken)
  local number = redis.call('HINCRBY', key.task(task), 'numbers', 1) - 1
  local half = {
    id = task .. '#' .. number, next = border, stop = victim.stop, left = taken, claimed = {},
    attempts = victim.attempts, room_attempts = victim.room_attempts, not_before = 0, avoid = '',
    from = id, place = victim.place, bytes = victim.bytes,
    dead_at = 0, failures = victim.failures, builds = victim.builds, micros = victim.micros,
  }
  -- A victim has a claimed unit, so something is left of it.
  leave(victim)
  victim.stop, victim.left = border, victim.left - taken
  enter(victim, now)
  redis.call('ZADD', key.chunks(task), number, number)
  return half
end

local function grant(chunk)
  local epoch = math.max(ARGV[5], redis.call('GET', key.epoch) or 0)
  local counter = redis.call('INCR', key.grants)
  chunk.node, chunk.token, chunk.expires = node, epoch .. ':' .. counter, now + ARGV[3]
  chunk.standing, chunk.begun = 'held', 0
  enter(chunk, now)
  local task = task_of(chunk.id)
  return {
    chunk.id, redis.call('HGET', key.task(task), 'kind'), chunk.next, chunk.stop, epoch, counter,
    chunk.attempts, redis.call('HGET', key.job(job_of(task)), 'traceparent'),
  }
end

if not see(node, now) then return false end
promote()
local id = find_queued()
if id then
  local chunk = load_chunk(id)
  leave(chunk)
  return grant(chunk)
end
id = ARGV[4] == '1' and first_fit(asks, key.rich, may_split)
if id then return grant(split(id)) end
return false
