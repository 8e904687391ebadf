-- job id, from, to, failure JSON or '', title version or '', tasks as JSON, how long losses are kept in ms
-- -> 1 if taken
local id, from, to, now = ARGV[1], ARGV[2], ARGV[3], now_ms()
local job = key.job(id)
local known = redis.call('HMGET', job, 'phase', 'failure', 'title_version')
if not known[1] then return not_found('job', id) end
if known[1] ~= from then return 0 end
local changed = from ~= to
redis.call('HSET', job, 'phase', to)
if to == 'failed' then redis.call('HSET', job, 'failed_in', from) end
if ARGV[4] ~= '' and ARGV[4] ~= known[2] then
  redis.call('HSET', job, 'failure', ARGV[4])
  changed = true
end
if ARGV[5] ~= '' and ARGV[5] ~= known[3] then
  redis.call('HSET', job, 'title_version', ARGV[5])
  changed = true
end
changed = add_tasks(ARGV[6], now) or changed
if FINAL[to] then
  redis.call('ZREM', key.live, id)
  -- Only a failed job keeps its chunks in the DLQ: only there a person can still do something.
  for _, task in ipairs(redis.call('LRANGE', key.tasks(id), 0, -1)) do
    for _, chunk_id in ipairs(chunk_ids(task)) do
      local chunk = load_chunk(chunk_id)
      if chunk.standing == 'held' then redis.call('ZADD', key.losses, now, chunk.node) end
      if not (chunk.standing == 'dead' and to == 'failed') then stand(chunk, 'parked', now) end
    end
  end
  redis.call('ZREMRANGEBYSCORE', key.losses, '-inf', now - ARGV[7])
end
if changed then mark(id, now) end
return 1
