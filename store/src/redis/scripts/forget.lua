-- job id
local job = ARGV[1]
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
redis.call('DEL', key.job(job), key.tasks(job))
redis.call('ZREM', key.jobs, job)
redis.call('ZREM', key.attention, job)
redis.call('ZREM', key.nudges, job)
return 1
