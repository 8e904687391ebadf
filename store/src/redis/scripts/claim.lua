-- chunk, token, most claims, chunks to look at, ms in which another node counts as seen, seconds that
-- a tenant may be ahead, ms in which a node is granted what it yielded for, ms in which one who went away
-- with nothing counts
-- -> unit, or 'drained', or 'yield', or 'later', or 'lost'
local chunk, now = load_chunk(ARGV[1]), now_ms()
local summons_ms = tonumber(ARGV[7])

local function asks_of(node)
  local known = redis.call('HMGET', key.node(node), 'builds', 'memory')
  return {
    node = node, builds = known[1] or '', room = tonumber(known[2] or math.huge), now = now,
    look = tonumber(ARGV[4]), elsewhere = ARGV[5],
  }
end

local function late(deadline) return deadline == '' and math.huge or tonumber(deadline) end

local function overtakes(job, held)
  local known = redis.call('HMGET', key.job(job), 'priority', 'deadline')
  local one, other = tonumber(known[1]), tonumber(held[2])
  return one > other or (one == other and late(known[2]) < late(held[3]))
end

-- Whether one more holder may be told to yield for the job, and the node may have a chunk of it.
local function may_summon(asks, job)
  local known = redis.call('HMGET', key.job(job), 'summons_until', 'summons_told')
  if tonumber(known[1] or 0) > now then
    local queued = 0
    for _, builds in ipairs(redis.call('SMEMBERS', key.queues(job))) do
      queued = queued + redis.call('ZCARD', key.queue(builds, job))
    end
    if tonumber(known[2]) >= queued then return false end
  end
  return find_of_job(asks, job) ~= nil
end

-- The first job of the same tenant that overtakes this one.
local function find_urgent(asks, held)
  local head = urgent_jobs(asks, held[1], 1)[1]
  -- Nearly always nothing more urgent is queued.
  if not head or not overtakes(head, held) then return nil end
  for _, job in ipairs(urgent_jobs(asks, held[1], asks.look)) do
    if not overtakes(job, held) then return nil end
    if may_summon(asks, job) then return job end
  end
end

local function served_of(tenant) return tonumber(redis.call('HGET', key.tenant(tenant), 'served') or 0) end

-- The first job of a tenant that is far behind this one.
local function find_behind(asks, held)
  local border = served_of(held[1]) - ARGV[6]
  local head = waiting_tenants(asks, 1)[1]
  if not head or served_of(head) >= border then return nil end
  for _, tenant in ipairs(waiting_tenants(asks, asks.look)) do
    if served_of(tenant) >= border then return nil end
    for _, job in ipairs(urgent_jobs(asks, tenant, asks.look)) do
      if may_summon(asks, job) then return job end
    end
  end
end

local function summon(node, job)
  local known = redis.call('HGET', key.job(job), 'summons_until')
  if tonumber(known or 0) <= now then redis.call('HSET', key.job(job), 'summons_told', 0) end
  redis.call('HINCRBY', key.job(job), 'summons_told', 1)
  redis.call('HSET', key.job(job), 'summons_until', now + summons_ms)
  redis.call('HSET', key.summons, node, string.format('%.0f ', now + summons_ms) .. job)
end

-- Whether the chunk goes back for work that comes first.
local function yields(held)
  if held[4] == '1' then return true end
  if chunk.begun ~= 1 then return false end
  local asks = asks_of(chunk.node)
  local job = find_urgent(asks, held) or find_behind(asks, held)
  if job then summon(chunk.node, job) end
  return job ~= nil
end

-- Whether one who went away with nothing lately may have the rest of the chunk.
local function is_wanted()
  local at, room = string.match(redis.call('GET', key.hungry(chunk.builds)) or '', '^(%d+) (%d+)$')
  return at and at + ARGV[8] > now and tonumber(room) >= chunk.bytes and may_grant(job_of(chunk.id))
end

if not is_leased(chunk, ARGV[2]) then return 'lost' end
if free_units(chunk) == 0 then return 'drained' end
if #chunk.claimed >= tonumber(ARGV[3]) then
  return conflict(ARGV[1], 'as many units are claimed as may be at a time')
end
local task = task_of(ARGV[1])
local held = redis.call('HMGET', key.job(job_of(task)), 'tenant', 'priority', 'deadline', 'paused')
if yields(held) then return 'yield' end
if #chunk.claimed > 0 and is_wanted() then return 'later' end
local units = key.units(task)
while redis.call('HEXISTS', units, chunk.next) == 1 do chunk.next = chunk.next + 1 end
local unit = chunk.next
chunk.next = unit + 1
chunk.claimed[#chunk.claimed + 1] = unit
redis.call('HSET', key.chunk(chunk.id), 'next', chunk.next, 'begun', 1, 'worked', now,
  'claimed', table.concat(chunk.claimed, ','))
enrich(chunk)
local weight = tonumber(redis.call('HGET', key.tenant(held[1]), 'weight') or 1)
add_served(held[1], served_of(held[1]) + chunk.micros / 1e6 / weight)
return tostring(unit)
