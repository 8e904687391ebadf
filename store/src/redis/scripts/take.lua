-- node, builds, lease time in ms, 1 to steal, epoch, chunks to look at, ms in which another node
-- counts as seen, room in bytes, grants of a tenant of which one is for its oldest job, usual pace, jobs at
-- hand
-- -> chunk, kind, next, stop, epoch, counter, attempts, traceparent; or nothing
local node, now = ARGV[1], now_ms()
local asks = {
  node = node, builds = ARGV[2], room = tonumber(ARGV[8]), now = now, look = tonumber(ARGV[6]),
  elsewhere = ARGV[7], at_hand = {},
}
for job in string.gmatch(ARGV[11], '%S+') do asks.at_hand[job] = true end

local function pace_of(id) return tonumber(redis.call('HGET', key.node(id), 'pace') or ARGV[10]) end

local function promote()
  local due = redis.call('ZRANGE', key.delayed, '-inf', now, 'BYSCORE', 'LIMIT', 0, asks.look)
  for _, id in ipairs(due) do
    local known = redis.call('HMGET', key.chunk(id), 'builds', 'place', 'last')
    redis.call('ZREM', key.delayed, id)
    enqueue(id, known[1], known[2])
    if known[3] ~= '' then redis.call('ZADD', key.left(known[3]), known[2], id) end
  end
  rank_jobs()
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

-- How many of the free units of a chunk a thief gets: the second half; less where it is slower and more
-- where it is faster; less also where a move costs much; and one at least; nothing when the last would
-- then not be done sooner. Of the claimed units one is taken for half done, unless the holder is quiet for
-- longer than they should take: then it is expected to be quiet for as long again.
local function stolen(victim, thief_unit, move_micros)
  local both = victim.unit + thief_unit
  if both == 0 then return math.max(math.floor(victim.free / 2), 1) end
  local busy = (victim.claimed - 0.5) * victim.unit
  if victim.quiet > busy + victim.unit then busy = victim.quiet end
  local alone = busy + victim.free * victim.unit
  local fair = math.min(victim.free * victim.unit / both, (alone - move_micros) / both)
  local taken = math.max(math.floor(fair), 1)
  return move_micros + taken * thief_unit < alone and taken or nil
end

-- How many units of a held chunk may go to the node. It is held elsewhere, so there is an elsewhere for
-- one that the node should avoid.
local function may_split(id, thief_pace, move_micros)
  local known = redis.call('HMGET', key.chunk(id), 'bytes', 'avoid', 'left', 'claimed', 'micros', 'pace',
    'worked')
  if tonumber(known[1]) > asks.room or known[2] == node then return nil end
  local _, claimed = string.gsub(known[4], '%d+', '')
  local victim = {
    free = known[3] - claimed, claimed = claimed, unit = paced(1, known[5], known[6]),
    quiet = math.max(now - known[7], 0) * 1000,
  }
  local taken = stolen(victim, paced(1, known[5], thief_pace), move_micros)
  return taken and may_grant(job_of(id)) and taken or nil
end

-- Expected micros that moving work costs, where the source is not at hand and where it is.
local function move_costs()
  local known = redis.call('HMGET', key.moves, 0, 1)
  return tonumber(known[1] or known[2] or 0), tonumber(known[2] or known[1] or 0)
end

-- The richest held chunk, less what a move of it costs, and how many units of it to take.
local function find_victim()
  local cold, warm = move_costs()
  local pace = pace_of(node)
  local best, best_worth, best_taken
  for _, builds in ipairs(offered(asks)) do
    local entries = redis.call('ZRANGE', key.rich(builds), 0, asks.look - 1, 'WITHSCORES')
    for at = 1, #entries, 2 do
      local id, rich = entries[at], -tonumber(entries[at + 1])
      -- Those that follow have less.
      if best and rich - math.min(cold, warm) <= best_worth then break end
      local cost = asks.at_hand[job_of(id)] and warm or cold
      local taken = (not best or rich - cost > best_worth) and may_split(id, pace, cost)
      if taken then best, best_worth, best_taken = id, rich - cost, taken end
    end
  end
  return best, best_taken
end

-- Where the last free units start, so many of them.
local function border_of(victim, taken)
  if victim.stop - victim.next == free_units(victim) then return victim.stop - taken end
  local border, units = victim.stop, key.units(task_of(victim.id))
  while taken > 0 do
    border = border - 1
    taken = taken - 1 + redis.call('HEXISTS', units, border)
  end
  return border
end

local function split(id, taken)
  local victim, task = load_chunk(id), task_of(id)
  local border = border_of(victim, taken)
  local number = redis.call('HINCRBY', key.task(task), 'numbers', 1) - 1
  local half = {
    id = task .. '#' .. number, next = border, stop = victim.stop, left = taken, claimed = {},
    attempts = victim.attempts, room_attempts = victim.room_attempts,
    silent_attempts = victim.silent_attempts, not_before = 0, avoid = '',
    from = id, place = victim.place, bytes = victim.bytes,
    dead_at = 0, failures = victim.failures, builds = victim.builds, micros = victim.micros,
    last = '', worked = 0,
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
  chunk.pace, chunk.granted, chunk.warm = pace_of(node), now, asks.at_hand[job_of(chunk.id)] and 1 or 0
  enter(chunk, now)
  local task = task_of(chunk.id)
  return {
    chunk.id, redis.call('HGET', key.task(task), 'kind'), chunk.next, chunk.stop, epoch, counter,
    chunk.attempts + chunk.silent_attempts, redis.call('HGET', key.job(job_of(task)), 'traceparent'),
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
if ARGV[4] ~= '1' then return false end
local victim, taken = find_victim()
if victim then return grant(split(victim, taken)) end
for _, builds in ipairs(offered(asks)) do
  redis.call('SET', key.hungry(builds), now .. ' ' .. ARGV[8], 'EX', 60)
end
return false
