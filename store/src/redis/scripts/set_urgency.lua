-- job id, priority, deadline or '', its rank without the number
local id = ARGV[1]
local job = key.job(id)
local known = redis.call('HMGET', job, 'priority', 'deadline', 'number')
if not known[1] then return not_found('job', id) end
if known[1] == ARGV[2] and known[2] == ARGV[3] then return 1 end
unrank_job(id)
redis.call('HSET', job, 'priority', ARGV[2], 'deadline', ARGV[3], 'rank', rank_of(ARGV[4], known[3]))
rank_job(id)
mark(id, now_ms())
return 1
