-- chunk; its task stays dead for good, so its count of dead chunks stays
local chunk = load_chunk(ARGV[1])
if not chunk or chunk.standing ~= 'dead' then return not_found('chunk', ARGV[1]) end
remove_chunk(chunk)
redis.call('HSET', key.job(job_of(task_of(ARGV[1]))), 'dropped', 1)
return 1
