-- chunk, token, unit, digest, config digest, record as text, ms that it took or 0 where nothing is to be
-- learned from it, most cost classes, least and most pace, steps of a pace, most micros of a move
-- -> what became of it
local id, unit, now = ARGV[1], tonumber(ARGV[3]), now_ms()
local task = task_of(id)
local job = job_of(task)

local function claims(chunk)
  for _, claimed in ipairs(chunk.claimed) do
    if claimed == unit then return true end
  end
  return false
end

-- The unfinished chunk that the unit belongs to.
local function owner_of()
  for _, other in ipairs(chunk_ids(task)) do
    local chunk = load_chunk(other)
    if claims(chunk) or (chunk.next <= unit and unit < chunk.stop) then return chunk end
  end
end

local elapsed_ms = tonumber(ARGV[7])

-- Learns what units of the class cost; answers whether something was to be learned, and what was known.
local function learn(class)
  if class == '' or elapsed_ms == 0 then return false end
  local known = redis.call('HGET', key.costs, class)
  local learned = elapsed_ms * 1000
  if known then learned = math.floor((known * 7 + learned) / 8) end
  redis.call('HSET', key.costs, class, string.format('%.0f', learned))
  redis.call('ZADD', key.cost_ages, now, class)
  if redis.call('ZCARD', key.cost_ages) > tonumber(ARGV[8]) then
    redis.call('HDEL', key.costs, redis.call('ZPOPMIN', key.cost_ages)[1])
  end
  return true, known and tonumber(known)
end

-- Learns from the first unit after a grant what moving work costs.
local function learn_move(chunk)
  local sample = math.max(now - chunk.granted - elapsed_ms, 0) * 1000
  sample = math.min(sample, tonumber(ARGV[12]))
  local known = redis.call('HGET', key.moves, chunk.warm)
  if known then sample = math.floor((known * 7 + sample) / 8) end
  redis.call('HSET', key.moves, chunk.warm, string.format('%.0f', sample))
end

-- Learns how fast the node is, of whose unit so much was expected.
local function learn_pace(chunk, micros)
  local known = redis.call('HGET', key.node(chunk.node), 'pace')
  if not known or micros == 0 then return end
  local sample = math.floor(elapsed_ms * 1000000000 / micros)
  sample = math.min(math.max(sample, tonumber(ARGV[9])), tonumber(ARGV[10]))
  local steps = tonumber(ARGV[11])
  chunk.pace = math.floor((known * (steps - 1) + sample) / steps)
  redis.call('HSET', key.node(chunk.node), 'pace', chunk.pace)
end

-- What is expected of the next units of the chunk.
local function learned_of(chunk, is_known)
  local sample = math.floor(elapsed_ms * 1000000000 / chunk.pace)
  return is_known and math.floor((chunk.micros * 3 + sample) / 4) or sample
end

-- Takes the unit off its chunk, and ends the chunk with its last.
local function shrink(chunk, micros)
  for at, claimed in ipairs(chunk.claimed) do
    if claimed == unit then
      table.remove(chunk.claimed, at)
      break
    end
  end
  weigh(chunk, -1, 0)
  chunk.left = chunk.left - 1
  if chunk.left > 0 then
    if micros then
      weigh(chunk, -chunk.left, 0)
      chunk.micros = micros
      weigh(chunk, chunk.left, 0)
    end
    add_weights()
    save_chunk(chunk)
    if chunk.standing == 'held' then enrich(chunk) end
    return
  end
  remove_chunk(chunk)
  if chunk.standing == 'dead' and redis.call('HINCRBY', key.task(task), 'dead', -1) == 0 then
    redis.call('HSET', key.task(task), 'state', 'open', 'failure', '')
  end
end

local phase = redis.call('HGET', key.job(job), 'phase')
if not phase or FINAL[phase] then return 'gone' end
local known = redis.call('HMGET', key.task(task), 'units', 'config', 'cost')
if not known[1] then return 'gone' end
if unit >= tonumber(known[1]) then
  return conflict(id, 'task has ' .. known[1] .. ' units, there is no unit ' .. unit)
end
local before = redis.call('HGET', key.units(task), unit)
if before then
  return string.match(before, '^%S+ %S+ %S+ %S+ (.*)$') == ARGV[4] and 'already' or 'conflict'
end
if known[2] and known[2] ~= ARGV[5] then return 'conflict' end

local chunk = load_chunk(id)
local held = is_leased(chunk, ARGV[2]) and claims(chunk)
if not held then chunk = owner_of() end
redis.call('HSET', key.units(task), unit, ARGV[6])
redis.call('HSET', key.task(task), 'config', ARGV[5])
redis.call('HINCRBY', key.job(job), 'units_done', 1)
redis.call('HINCRBY', key.job(job), 'version', 1)
redis.call('HSET', key.job(job), 'changed', now)
local learns, class_micros = learn(known[3])
local micros
if held then
  chunk.attempts, chunk.room_attempts, chunk.silent_attempts = 0, 0, 0
  if learns then
    micros = learned_of(chunk, class_micros)
    if chunk.granted > 0 then learn_move(chunk) end
    if class_micros then learn_pace(chunk, class_micros) end
  end
  chunk.granted, chunk.worked = 0, now
end
if chunk then shrink(chunk, micros) end
if redis.call('HINCRBY', key.task(task), 'units_done', 1) == tonumber(known[1]) then
  finish_task(task, now)
  mark(job, now)
end
return held and 'accepted' or 'adopted'
