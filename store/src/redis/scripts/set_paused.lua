-- job id, 1 or 0
local id = ARGV[1]
local known = redis.call('HMGET', key.job(id), 'phase', 'paused')
if not known[1] then return not_found('job', id) end
if FINAL[known[1]] then return conflict(id, 'job is ' .. known[1]) end
if known[2] == ARGV[2] then return 1 end
local queued = {}
for _, task in ipairs(redis.call('LRANGE', key.tasks(id), 0, -1)) do
  for _, chunk_id in ipairs(chunk_ids(task)) do
    local chunk = load_chunk(chunk_id)
    if chunk.standing == 'queued' then queued[#queued + 1] = chunk end
  end
end
for _, chunk in ipairs(queued) do weigh(chunk, -chunk.left, -1) end
redis.call('HSET', key.job(id), 'paused', ARGV[2])
for _, chunk in ipairs(queued) do weigh(chunk, chunk.left, 1) end
add_weights()
rank_job(id)
mark(id, now_ms())
return 1
