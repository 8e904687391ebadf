-- What comes first for the one who asks: { node, builds, room in bytes, now, chunks to look at, ms in
-- which another node counts as seen, jobs whose source is at hand }.

local function offered(asks) return asks.builds == '' and { '' } or { '', asks.builds } end

-- Whether another node could run it: seen of late, with fitting builds and memory, taking work.
local function has_elsewhere(asks, builds, bytes)
  local others = redis.call('ZRANGE', key.able(builds), '+inf', '(' .. (asks.now - asks.elsewhere),
    'BYSCORE', 'REV', 'LIMIT', 0, asks.look)
  for _, other in ipairs(others) do
    if other ~= asks.node
      and tonumber(redis.call('HGET', key.node(other), 'memory') or 0) >= bytes then
      return true
    end
  end
  return false
end

-- Whether the one who asks has room for the chunk and need not avoid it.
local function fits(asks, id)
  local known = redis.call('HMGET', key.chunk(id), 'bytes', 'avoid', 'builds')
  local bytes = tonumber(known[1])
  if bytes > asks.room then return false end
  return known[2] ~= asks.node or not has_elsewhere(asks, known[3], bytes)
end

-- The first chunk of the indexes that fits.
local function first_fit(asks, index, fit)
  local best, best_score
  for _, builds in ipairs(offered(asks)) do
    for rank = 0, asks.look - 1 do
      local entry = redis.call('ZRANGE', index(builds), rank, rank, 'WITHSCORES')
      local score = tonumber(entry[2])
      if not score or (best and best_score <= score) then break end
      if fit(asks, entry[1]) then
        best, best_score = entry[1], score
        break
      end
    end
  end
  return best
end

-- The first queued chunk of the job that the one who asks held last, as far as it may have it.
local function find_left(asks, job)
  for _, id in ipairs(redis.call('ZRANGE', key.left(asks.node), 0, asks.look - 1)) do
    if job_of(id) == job and fits(asks, id) then
      local builds = redis.call('HGET', key.chunk(id), 'builds')
      if builds == '' or builds == asks.builds then return id end
    end
  end
end

-- The first queued chunk of the job that the one who asks may have; one comes first of all that it held
-- last, since what that needs is at hand there.
local function find_of_job(asks, job)
  local function queue(builds) return key.queue(builds, job) end
  return find_left(asks, job) or first_fit(asks, queue, fits)
end

-- So many heads of the indexes in one order, each member once.
local function merge(asks, most, index, read)
  local entries, seen, members = {}, {}, {}
  for _, builds in ipairs(offered(asks)) do
    for _, entry in ipairs(read(index(builds), most)) do entries[#entries + 1] = entry end
  end
  table.sort(entries, function(one, other)
    if one[1] == other[1] then return one[2] < other[2] end
    return one[1] < other[1]
  end)
  for _, entry in ipairs(entries) do
    if not seen[entry[2]] and #members < most then
      seen[entry[2]] = true
      members[#members + 1] = entry[2]
    end
  end
  return members
end

local function by_score(index, most)
  local flat, entries = redis.call('ZRANGE', index, 0, most - 1, 'WITHSCORES'), {}
  for at = 1, #flat, 2 do entries[#entries + 1] = { tonumber(flat[at + 1]), flat[at] } end
  return entries
end

local function by_rank(index, most)
  local entries = {}
  for at, member in ipairs(redis.call('ZRANGE', index, 0, most - 1)) do
    local rank, job = string.match(member, '^(%S+ %S+ %S+) (.*)$')
    entries[at] = { rank, job }
  end
  return entries
end

-- Tenants with something that may be granted, the one first that got the least.
local function waiting_tenants(asks, most) return merge(asks, most, key.tenants, by_score) end

-- Jobs of the tenant with something that may be granted, the oldest first.
local function oldest_jobs(asks, tenant, most)
  return merge(asks, most, function(builds) return key.aged(builds, tenant) end, by_score)
end

-- Jobs of the tenant with something that may be granted, the most urgent first.
local function urgent_jobs(asks, tenant, most)
  return merge(asks, most, function(builds) return key.urgent(builds, tenant) end, by_rank)
end
