-- job id, its JSON, tenant, title, priority, traceparent, phase, phase it failed in or '', version,
-- failure JSON or '', title version, times of acceptance and last change, units, units done, deadline
-- or '', rank without the number, most held chunks or ''
-- -> 1 if new
local id = ARGV[1]
local job = key.job(id)
if redis.call('EXISTS', job) == 1 then return 0 end
local number = redis.call('INCR', key.accepted)
redis.call('HSET', job, 'new', ARGV[2], 'tenant', ARGV[3], 'title', ARGV[4], 'priority', ARGV[5],
  'traceparent', ARGV[6], 'number', number, 'phase', ARGV[7], 'failed_in', ARGV[8],
  'version', ARGV[9], 'marked', ARGV[9], 'posted', ARGV[9], 'failure', ARGV[10],
  'title_version', ARGV[11], 'accepted', ARGV[12], 'changed', ARGV[13], 'units', ARGV[14],
  'units_done', ARGV[15], 'chunks', 0, 'dropped', 0, 'deadline', ARGV[16],
  'rank', rank_of(ARGV[17], number), 'held_max', ARGV[18], 'held', 0, 'paused', 0)
redis.call('ZADD', key.jobs, number, id)
return 1
