-- number to start below or '', jobs at most -> number of the last job, or '' at the end, then of each job:
-- id, title, phase, deadline or '', most held chunks or '', paused, tasks that are not done: id, state, ids
-- of those that it comes after, units left, seconds of a unit as it was added, learned microseconds or ''
local start = ARGV[1] == '' and '+inf' or '(' .. ARGV[1]
local ids = redis.call('ZRANGE', key.live, start, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local found = { #ids == 2 * ARGV[2] and ids[#ids] or '' }

local function left_of(task)
  local known = redis.call('HMGET', key.task(task), 'state', 'after', 'units', 'units_done', 'unit_seconds', 'cost')
  if known[1] == 'done' then return nil end
  local learned = known[6] and known[6] ~= '' and redis.call('HGET', key.costs, known[6])
  return { task, known[1], known[2], known[3] - known[4], known[5], learned or '' }
end

for at = 1, #ids, 2 do
  local known = redis.call('HMGET', key.job(ids[at]), 'title', 'phase', 'deadline', 'held_max', 'paused')
  local tasks = {}
  for _, task in ipairs(redis.call('LRANGE', key.tasks(ids[at]), 0, -1)) do
    tasks[#tasks + 1] = left_of(task)
  end
  found[#found + 1] = { ids[at], known[1], known[2], known[3], known[4], known[5], tasks }
end
return found
