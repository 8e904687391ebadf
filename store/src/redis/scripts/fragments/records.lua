-- Reading and writing records. A number that goes through `..` keeps 14 digits only; as an argument
-- of redis.call it keeps all, so large ones are never concatenated.

local function map(flat)
  local fields = {}
  for at = 1, #flat, 2 do fields[flat[at]] = flat[at + 1] end
  return fields
end

local function job_of(task) return string.match(task, '^([^/]*)/') end
local function task_of(chunk) return string.match(chunk, '^(.*)#%d+$') end
-- Where a job stands among the jobs of its tenant: by urgency, then by age. Sorts as text.
local function rank_of(urgency, number) return urgency .. string.format(' %020.0f', number) end
local function number_of(chunk) return string.match(chunk, '#(%d+)$') end

local FINAL = { published = true, rejected = true, failed = true, cancelled = true }

local function not_found(what, id) return redis.error_reply('NOTFOUND ' .. what .. ' ' .. id) end
local function conflict(id, reason) return redis.error_reply('CONFLICT ' .. id .. ' ' .. reason) end

-- Notes a change of a job that asks for a decision.
local function mark(job, now)
  local version = redis.call('HINCRBY', key.job(job), 'version', 1)
  redis.call('HSET', key.job(job), 'changed', now, 'marked', version)
  redis.call('ZADD', key.attention, 'NX', now, job)
end
