-- Tasks: adding, opening, finishing.

local function queue_parked(task, now)
  local job = key.job(job_of(task))
  if FINAL[redis.call('HGET', job, 'phase')] then return end
  if redis.call('HGET', key.task(task), 'state') == 'blocked' then return end
  for _, id in ipairs(chunk_ids(task)) do
    local chunk = load_chunk(id)
    if chunk.standing == 'parked' then stand(chunk, 'queued', now) end
  end
end

local function open_task(task, now)
  redis.call('HSET', key.task(task), 'state', 'open')
  queue_parked(task, now)
end

-- Makes a task done and opens what waited for it alone.
local function finish_task(task, now)
  redis.call('HSET', key.task(task), 'state', 'done', 'failure', '')
  for _, waiting in ipairs(redis.call('SMEMBERS', key.waiting(task))) do
    local waits = redis.call('HINCRBY', key.task(waiting), 'waits', -1)
    if waits == 0 and redis.call('HGET', key.task(waiting), 'state') == 'blocked' then
      open_task(waiting, now)
    end
  end
  redis.call('DEL', key.waiting(task))
end

-- Adds the chunks of a task, queued or parked.
local function add_chunks(new, standing, now)
  local job = key.job(job_of(new.id))
  local order = redis.call('HINCRBY', job, 'chunks', #new.chunks) - #new.chunks
  local learned = new.cost ~= '' and redis.call('HGET', key.costs, new.cost)
  for at, range in ipairs(new.chunks) do
    local number = at - 1
    redis.call('ZADD', key.chunks(new.id), number, number)
    enter({
      id = new.id .. '#' .. number, next = range[1], stop = range[2],
      left = range[2] - range[1], claimed = {}, attempts = 0, room_attempts = 0, silent_attempts = 0,
      not_before = 0, avoid = '', node = '', token = '', expires = 0, from = '',
      standing = standing, dead_at = 0,
      place = order + number, begun = 0, pace = 0, granted = 0, worked = 0, warm = 0, last = '',
      failures = '', builds = new.builds, micros = learned and tonumber(learned) or new.micros,
      bytes = new.bytes,
    }, now)
  end
end

-- Adds a task unless it exists; answers whether it was added.
local function add_task(new, now)
  if redis.call('EXISTS', key.task(new.id)) == 1 then return false end
  local waits = 0
  for _, after in ipairs(new.after) do
    if redis.call('HGET', key.task(after), 'state') ~= 'done' then
      waits = waits + redis.call('SADD', key.waiting(after), new.id)
    end
  end
  redis.call('HSET', key.task(new.id), 'kind', new.kind,
    'state', waits == 0 and 'open' or 'blocked', 'units', new.units, 'units_done', 0,
    'unit_seconds', new.unit_seconds, 'builds', new.builds, 'bytes', new.bytes, 'cost', new.cost, 'waits', waits,
    'after', table.concat(new.after, ' '), 'numbers', #new.chunks, 'dead', 0, 'failure', '')
  local job = job_of(new.id)
  local ended = FINAL[redis.call('HGET', key.job(job), 'phase')]
  add_chunks(new, waits == 0 and not ended and 'queued' or 'parked', now)
  redis.call('RPUSH', key.tasks(job), new.id)
  redis.call('HINCRBY', key.job(job), 'units', new.units)
  return true
end

local function add_tasks(list, now)
  local added = false
  for _, new in ipairs(cjson.decode(list)) do added = add_task(new, now) or added end
  return added
end
