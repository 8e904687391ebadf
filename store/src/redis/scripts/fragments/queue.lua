-- The order of what waits: tenants by the work that they got for their weight, their jobs by urgency
-- and by age, the chunks of a job in their order. When a job gets its first queued chunk, loses its last
-- or comes to what it may hold, `rank_job` brings the indexes in line.

local function add_served(tenant, served)
  redis.call('HSET', key.tenant(tenant), 'served', served)
  for _, builds in ipairs(redis.call('SMEMBERS', key.waits(tenant))) do
    redis.call('ZADD', key.tenants(builds), 'XX', served, tenant)
  end
end

local function is_below(count, most)
  return not most or most == '' or tonumber(count or 0) < tonumber(most)
end

-- Whether more of a job may be held: it is not paused, and it and its tenant are below their limits.
local function may_grant(job)
  local known = redis.call('HMGET', key.job(job), 'tenant', 'paused', 'held', 'held_max')
  if not known[1] or known[2] == '1' or not is_below(known[3], known[4]) then return false end
  local tenant = redis.call('HMGET', key.tenant(known[1]), 'held', 'held_max')
  return is_below(tenant[1], tenant[2])
end

local function rank_tenant(tenant, builds)
  if redis.call('EXISTS', key.urgent(builds, tenant)) == 0 then
    redis.call('SREM', key.waits(tenant), builds)
    redis.call('ZREM', key.tenants(builds), tenant)
    return
  end
  redis.call('SADD', key.waits(tenant), builds)
  local known = redis.call('HMGET', key.tenant(tenant), 'held', 'held_max', 'served')
  if is_below(known[1], known[2]) then
    redis.call('ZADD', key.tenants(builds), known[3] or 0, tenant)
  else
    redis.call('ZREM', key.tenants(builds), tenant)
  end
end

local function rank_job(job)
  local known = redis.call('HMGET', key.job(job), 'tenant', 'rank', 'number', 'paused', 'held',
    'held_max')
  local tenant = known[1]
  if not tenant then return end
  local waited = redis.call('EXISTS', key.waits(tenant)) == 1
  local is_free = known[4] ~= '1' and is_below(known[5], known[6])
  local member = known[2] .. ' ' .. job
  for _, builds in ipairs(redis.call('SMEMBERS', key.queues(job))) do
    local has_chunks = redis.call('EXISTS', key.queue(builds, job)) == 1
    if has_chunks and is_free then
      redis.call('ZADD', key.urgent(builds, tenant), 0, member)
      redis.call('ZADD', key.aged(builds, tenant), known[3], job)
    else
      redis.call('ZREM', key.urgent(builds, tenant), member)
      redis.call('ZREM', key.aged(builds, tenant), job)
    end
    if not has_chunks then redis.call('SREM', key.queues(job), builds) end
    rank_tenant(tenant, builds)
  end
  if waited or redis.call('EXISTS', key.waits(tenant)) == 0 then return end
  -- It had nothing queued: it starts level, so that nobody saves up for later.
  local level = tonumber(redis.call('GET', key.level) or 0)
  local served = tonumber(redis.call('HGET', key.tenant(tenant), 'served') or 0)
  if level > served then add_served(tenant, level) end
end

-- Takes a job out of the order before its rank changes.
local function unrank_job(job)
  local known = redis.call('HMGET', key.job(job), 'tenant', 'rank')
  for _, builds in ipairs(redis.call('SMEMBERS', key.queues(job))) do
    redis.call('ZREM', key.urgent(builds, known[1]), known[2] .. ' ' .. job)
  end
end

-- Jobs that `rank_jobs` has to look at.
local unranked = {}

local function rank_jobs()
  for job in pairs(unranked) do rank_job(job) end
  unranked = {}
end

-- Counts the held chunks of a job and of its tenant.
local function count_held(job, by)
  local known = redis.call('HMGET', key.job(job), 'tenant', 'held_max')
  redis.call('HINCRBY', key.job(job), 'held', by)
  redis.call('HINCRBY', key.tenant(known[1]), 'held', by)
  if known[2] and known[2] ~= '' then unranked[job] = true end
  local most = redis.call('HGET', key.tenant(known[1]), 'held_max')
  if not most or most == '' then return end
  for _, builds in ipairs(redis.call('SMEMBERS', key.waits(known[1]))) do
    rank_tenant(known[1], builds)
  end
end

local function enqueue(id, builds, place)
  local job = job_of(id)
  local queue = key.queue(builds, job)
  redis.call('ZADD', queue, place, id)
  if redis.call('ZCARD', queue) == 1 then
    redis.call('SADD', key.queues(job), builds)
    unranked[job] = true
  end
end

local function dequeue(id, builds)
  local job = job_of(id)
  redis.call('ZREM', key.queue(builds, job), id)
  if redis.call('EXISTS', key.queue(builds, job)) == 0 then unranked[job] = true end
end
