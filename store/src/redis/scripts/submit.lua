-- job id, its JSON, tenant, title, priority, traceparent, tasks as JSON, epoch, versions of an epoch,
-- deadline or '', rank without the number, most held chunks or ''
-- -> 1 if new
local job, now = ARGV[1], now_ms()
if redis.call('EXISTS', key.job(job)) == 1 then return 0 end
local epoch = math.max(1, ARGV[8], redis.call('GET', key.epoch) or 0)
local version = (epoch - 1) * ARGV[9] + 1
local number = redis.call('INCR', key.accepted)
redis.call('HSET', key.job(job), 'new', ARGV[2], 'tenant', ARGV[3], 'title', ARGV[4],
  'priority', ARGV[5], 'traceparent', ARGV[6], 'number', number, 'phase', 'probing',
  'failed_in', '', 'version', version, 'marked', version, 'failure', '', 'title_version', 0,
  'accepted', now, 'changed', now, 'units', 0, 'units_done', 0, 'chunks', 0, 'dropped', 0,
  'deadline', ARGV[10], 'rank', rank_of(ARGV[11], number), 'held_max', ARGV[12], 'held', 0, 'paused', 0)
redis.call('ZADD', key.jobs, number, job)
redis.call('ZADD', key.live, number, job)
-- With tasks there is nothing to decide before one of them ends.
if not add_tasks(ARGV[7], now) then redis.call('ZADD', key.attention, now, job) end
return 1
