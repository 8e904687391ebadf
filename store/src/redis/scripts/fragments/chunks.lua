-- Chunks: the record, and the indexes that follow from it. Every change of a chunk's standing is
-- `leave`, change the record, `enter`.

local CHUNK_NUMBERS = {
  'next', 'stop', 'left', 'attempts', 'room_attempts', 'silent_attempts', 'not_before', 'expires', 'place', 'dead_at',
  'micros', 'bytes', 'begun', 'pace', 'granted', 'worked',
}

local function load_chunk(id)
  local flat = redis.call('HGETALL', key.chunk(id))
  if #flat == 0 then return nil end
  local chunk = map(flat)
  for _, name in ipairs(CHUNK_NUMBERS) do chunk[name] = tonumber(chunk[name]) end
  local claimed = {}
  for unit in string.gmatch(chunk.claimed, '%d+') do claimed[#claimed + 1] = tonumber(unit) end
  chunk.claimed = claimed
  chunk.id = id
  return chunk
end

local function save_chunk(chunk)
  redis.call('HSET', key.chunk(chunk.id),
    'next', chunk.next, 'stop', chunk.stop, 'left', chunk.left,
    'claimed', table.concat(chunk.claimed, ','), 'attempts', chunk.attempts,
    'room_attempts', chunk.room_attempts, 'silent_attempts', chunk.silent_attempts,
    'not_before', chunk.not_before, 'avoid', chunk.avoid, 'node', chunk.node,
    'token', chunk.token, 'expires', chunk.expires, 'from', chunk.from, 'place', chunk.place,
    'standing', chunk.standing, 'dead_at', chunk.dead_at, 'failures', chunk.failures,
    'builds', chunk.builds, 'micros', chunk.micros, 'bytes', chunk.bytes, 'begun', chunk.begun,
    'pace', chunk.pace, 'granted', chunk.granted, 'worked', chunk.worked, 'warm', chunk.warm, 'last', chunk.last)
end

-- Units that are neither claimed nor committed.
local function free_units(chunk) return chunk.left - #chunk.claimed end

local unweighed = {}

local function add_later(name, number) unweighed[name] = (unweighed[name] or 0) + number end

-- Adds `chunks`, which is 1, 0 or -1, and the work of `units` of a queued or held chunk to the totals, by
-- the next `add_weights`. What is queued of a paused job waits for a person: it is counted apart, and its
-- work not at all.
local function weigh(chunk, units, chunks)
  if chunk.standing == 'queued' then
    local paused = redis.call('HGET', key.job(job_of(chunk.id)), 'paused') == '1'
    add_later(paused and 'paused' or 'queued', chunks)
    if paused then return end
  elseif chunk.standing ~= 'held' then
    return
  end
  add_later('units', units)
  add_later('micros', units * chunk.micros)
end

local function add_weights()
  for name, sum in pairs(unweighed) do
    if sum ~= 0 then redis.call('HINCRBY', key.totals, name, string.format('%.0f', sum)) end
  end
  unweighed = {}
end

-- Expected microseconds of units on a node with this pace.
local function paced(units, micros, pace) return units * micros * pace / 1000000 end

-- Offers a held chunk to thieves while its holder is busy with a unit and others wait, richest first.
local function enrich(chunk)
  local free = free_units(chunk)
  if free > 0 and #chunk.claimed > 0 then
    local micros = math.floor(paced(free, chunk.micros, chunk.pace))
    redis.call('ZADD', key.rich(chunk.builds), -micros, chunk.id)
  else
    redis.call('ZREM', key.rich(chunk.builds), chunk.id)
  end
end

local function leave(chunk)
  weigh(chunk, -chunk.left, -1)
  if chunk.standing == 'queued' then
    dequeue(chunk.id, chunk.builds)
    redis.call('ZREM', key.delayed, chunk.id)
    if chunk.last ~= '' then redis.call('ZREM', key.left(chunk.last), chunk.id) end
  elseif chunk.standing == 'held' then
    redis.call('ZREM', key.leases, chunk.id)
    redis.call('ZREM', key.rich(chunk.builds), chunk.id)
    redis.call('SREM', key.holds(chunk.node), chunk.id)
    count_held(job_of(chunk.id), -1)
  elseif chunk.standing == 'dead' then
    redis.call('ZREM', key.dead, chunk.id)
  end
end

local function enter(chunk, now)
  weigh(chunk, chunk.left, 1)
  if chunk.standing == 'queued' then
    if chunk.not_before > now then
      redis.call('ZADD', key.delayed, chunk.not_before, chunk.id)
    else
      enqueue(chunk.id, chunk.builds, chunk.place)
      if chunk.last ~= '' then redis.call('ZADD', key.left(chunk.last), chunk.place, chunk.id) end
    end
  elseif chunk.standing == 'held' then
    redis.call('ZADD', key.leases, chunk.expires, chunk.id)
    redis.call('SADD', key.holds(chunk.node), chunk.id)
    count_held(job_of(chunk.id), 1)
    enrich(chunk)
  elseif chunk.standing == 'dead' then
    redis.call('ZADD', key.dead, chunk.dead_at, chunk.id)
  end
  save_chunk(chunk)
  add_weights()
  rank_jobs()
end

-- Ends the lease, if there is one; claimed units are unclaimed. Committed units behind the cursor
-- are skipped by the next claims.
local function stand(chunk, standing, now)
  leave(chunk)
  for _, unit in ipairs(chunk.claimed) do chunk.next = math.min(chunk.next, unit) end
  chunk.claimed = {}
  if chunk.node ~= '' then chunk.last = chunk.node end
  chunk.node, chunk.token, chunk.expires, chunk.granted = '', '', 0, 0
  chunk.standing = standing
  enter(chunk, now)
end

local function is_leased(chunk, token)
  return chunk and chunk.standing == 'held' and chunk.token == token
end

local function remove_chunk(chunk)
  leave(chunk)
  add_weights()
  rank_jobs()
  redis.call('DEL', key.chunk(chunk.id))
  redis.call('ZREM', key.chunks(task_of(chunk.id)), number_of(chunk.id))
end

local function chunk_ids(task)
  local ids = {}
  for _, number in ipairs(redis.call('ZRANGE', key.chunks(task), 0, -1)) do
    ids[#ids + 1] = task .. '#' .. number
  end
  return ids
end
