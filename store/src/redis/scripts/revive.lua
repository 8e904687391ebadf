-- job id
local id, now = ARGV[1], now_ms()
local job = key.job(id)
local known = redis.call('HMGET', job, 'phase', 'failed_in', 'dropped', 'number')
if not known[1] then return not_found('job', id) end
if known[1] ~= 'failed' or known[2] == '' then return conflict(id, 'job has not failed') end
if known[3] == '1' then return conflict(id, 'a dead chunk of the job was dropped') end
redis.call('HSET', job, 'phase', known[2], 'failed_in', '', 'failure', '', 'paused', 0)
redis.call('ZADD', key.live, known[4], id)
for _, task in ipairs(redis.call('LRANGE', key.tasks(id), 0, -1)) do
  if redis.call('HGET', key.task(task), 'state') == 'dead' then
    redis.call('HSET', key.task(task), 'state', 'open', 'failure', '', 'dead', 0)
  end
  for _, chunk_id in ipairs(chunk_ids(task)) do
    local chunk = load_chunk(chunk_id)
    if chunk.standing == 'dead' then
      chunk.attempts, chunk.room_attempts, chunk.silent_attempts = 0, 0, 0
      chunk.not_before, chunk.avoid, chunk.last = 0, '', ''
      stand(chunk, 'parked', now)
    end
  end
  queue_parked(task, now)
end
mark(id, now)
return 1
