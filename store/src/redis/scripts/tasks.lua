-- job id -> for each task: id, fields, unfinished chunks (id, fields), units
local job = ARGV[1]
if redis.call('EXISTS', key.job(job)) == 0 then return not_found('job', job) end
local tasks = {}
for _, task in ipairs(redis.call('LRANGE', key.tasks(job), 0, -1)) do
  local chunks = {}
  for _, id in ipairs(chunk_ids(task)) do
    chunks[#chunks + 1] = { id, redis.call('HGETALL', key.chunk(id)) }
  end
  tasks[#tasks + 1] = {
    task, redis.call('HGETALL', key.task(task)), chunks, redis.call('HGETALL', key.units(task)),
  }
end
return tasks
