-- job id
local job = ARGV[1]
local tenant = redis.call('HGET', key.job(job), 'tenant')
local phase = redis.call('HGET', key.job(job), 'phase')
if not phase then return 1 end
if not FINAL[phase] then return conflict(job, 'job is ' .. phase) end
for _, task in ipairs(redis.call('LRANGE', key.tasks(job), 0, -1)) do
  for _, id in ipairs(chunk_ids(task)) do remove_chunk(load_chunk(id)) end
  for after in string.gmatch(redis.call('HGET', key.task(task), 'after'), '%S+') do
    redis.call('DEL', key.waiting(after))
  end
  redis.call('DEL', key.task(task), key.units(task), key.chunks(task))
end
redis.call('DEL', key.job(job), key.tasks(job), key.queues(job))
redis.call('ZREM', key.jobs, job)
redis.call('ZREM', key.attention, job)
redis.call('ZREM', key.nudges, job)
-- Nothing is known of the tenant that the next job of it would not bring anew.
local known = redis.call('HMGET', key.tenant(tenant), 'weight', 'held')
local is_idle = redis.call('EXISTS', key.waits(tenant)) == 0 and tonumber(known[2] or 0) == 0
if not known[1] and is_idle then redis.call('DEL', key.tenant(tenant)) end
return 1
