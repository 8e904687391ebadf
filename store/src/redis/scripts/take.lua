-- node, builds, lease time in ms, 1 to steal, epoch, chunks to look at, ms in which another node
-- counts as seen -> chunk, kind, next, stop, epoch, counter, attempts, traceparent; or nothing
local node, look, now = ARGV[1], tonumber(ARGV[6]), now_ms()
local offered = ARGV[2] == '' and { '' } or { '', ARGV[2] }

local function promote()
  local due = redis.call('ZRANGE', key.delayed, '-inf', now, 'BYSCORE', 'LIMIT', 0, look)
  for _, id in ipairs(due) do
    local known = redis.call('HMGET', key.chunk(id), 'builds', 'place')
    redis.call('ZREM', key.delayed, id)
    redis.call('ZADD', key.queue(known[1]), known[2], id)
  end
end

local function has_elsewhere(builds)
  local others = redis.call('ZRANGE', key.able(builds), '+inf', '(' .. (now - ARGV[7]),
    'BYSCORE', 'REV', 'LIMIT', 0, 2)
  return (others[1] or node) ~= node or (others[2] or node) ~= node
end

-- The first chunk of the indexes that the node need not avoid.
local function first_fit(index, is_elsewhere)
  local best, best_score
  for _, builds in ipairs(offered) do
    for rank = 0, look - 1 do
      local entry = redis.call('ZRANGE', index(builds), rank, rank, 'WITHSCORES')
      local score = tonumber(entry[2])
      if not score or (best and best_score <= score) then break end
      local avoid = redis.call('HGET', key.chunk(entry[1]), 'avoid')
      if avoid ~= node or not is_elsewhere(builds) then
        best, best_score = entry[1], score
        break
      end
    end
  end
  return best
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
    from = id, place = victim.place,
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
  chunk.standing = 'held'
  enter(chunk, now)
  local task = task_of(chunk.id)
  return {
    chunk.id, redis.call('HGET', key.task(task), 'kind'), chunk.next, chunk.stop, epoch, counter,
    chunk.attempts, redis.call('HGET', key.job(job_of(task)), 'traceparent'),
  }
end

if not see(node, now) then return false end
promote()
local id = first_fit(key.queue, has_elsewhere)
if id then
  local chunk = load_chunk(id)
  leave(chunk)
  return grant(chunk)
end
-- A rich chunk is held elsewhere, so there is an elsewhere.
id = ARGV[4] == '1' and first_fit(key.rich, function() return true end)
if id then return grant(split(id)) end
return false
