-- chunk, token, unit, digest, config digest, record as JSON, ms that it took or 0 where nothing is to be
-- learned from it, most cost classes, least and most pace -> what became of it
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

-- Learns what units of the task cost; answers what is expected from now on.
local function learn(class)
  local elapsed = tonumber(ARGV[7])
  if class == '' or elapsed == 0 then return nil end
  local known = redis.call('HGET', key.costs, class)
  local learned = elapsed * 1000
  if known then learned = math.floor((known * 7 + learned) / 8) end
  redis.call('HSET', key.costs, class, string.format('%.0f', learned))
  redis.call('ZADD', key.cost_ages, now, class)
  if redis.call('ZCARD', key.cost_ages) > tonumber(ARGV[8]) then
    redis.call('HDEL', key.costs, redis.call('ZPOPMIN', key.cost_ages)[1])
  end
  return learned
end

-- Learns from a unit of a held chunk, of whose class so much was known, what moving work costs and how
-- fast the node is.
local function learn_of_node(chunk, micros)
  if chunk.granted > 0 then
    local sample = (now - chunk.granted) * 1000 - math.floor(paced(1, micros, chunk.pace))
    local known = redis.call('HGET', key.moves, chunk.warm)
    if known then sample = math.floor((known * 7 + sample) / 8) end
    redis.call('HSET', key.moves, chunk.warm, string.format('%.0f', sample))
  end
  local known = redis.call('HGET', key.node(chunk.node), 'pace')
  if not known or micros == 0 then return end
  local sample = math.floor(ARGV[7] * 1000000 / micros)
  sample = math.min(math.max(sample, tonumber(ARGV[9])), tonumber(ARGV[10]))
  redis.call('HSET', key.node(chunk.node), 'pace', math.floor((known * 7 + sample) / 8))
end

-- Takes the unit off its chunk, and ends the chunk with its last.
local function shrink(chunk, learned)
  for at, claimed in ipairs(chunk.claimed) do
    if claimed == unit then
      table.remove(chunk.claimed, at)
      break
    end
  end
  weigh(chunk, -1)
  chunk.left = chunk.left - 1
  if chunk.left > 0 then
    if learned then
      weigh(chunk, -chunk.left)
      chunk.micros = learned
      weigh(chunk, chunk.left)
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
  return string.match(before, '^[^\n]*') == ARGV[4] and 'already' or 'conflict'
end
if known[2] and known[2] ~= ARGV[5] then return 'conflict' end

local chunk = load_chunk(id)
local held = is_held(chunk, ARGV[2], now) and claims(chunk)
if not held then chunk = owner_of() end
redis.call('HSET', key.units(task), unit, ARGV[4] .. '\n' .. ARGV[6])
redis.call('HSET', key.task(task), 'config', ARGV[5])
redis.call('HINCRBY', key.job(job), 'units_done', 1)
redis.call('HINCRBY', key.job(job), 'version', 1)
redis.call('HSET', key.job(job), 'changed', now)
local class_micros = known[3] ~= '' and redis.call('HGET', key.costs, known[3])
local learned = learn(known[3])
if held then
  chunk.attempts, chunk.room_attempts = 0, 0
  if class_micros and learned then learn_of_node(chunk, tonumber(class_micros)) end
  chunk.granted = 0
end
if chunk then shrink(chunk, learned) end
if redis.call('HINCRBY', key.task(task), 'units_done', 1) == tonumber(known[1]) then
  finish_task(task, now)
  mark(job, now)
end
return held and 'accepted' or 'adopted'
