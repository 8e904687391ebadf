-- hold in ms, nudges to look at -> job, version; nothing when none is due
local now = now_ms()
local nudged = redis.call('ZRANGE', key.nudges, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2],
  'WITHSCORES')
for at = 1, #nudged, 2 do
  local job = nudged[at]
  -- The nudge of a job that is held stays, so that settling the job does not lose it.
  redis.call('ZADD', key.attention, 'NX', nudged[at + 1], job)
  if tonumber(redis.call('ZSCORE', key.attention, job)) <= now then
    redis.call('ZREM', key.nudges, job)
  end
end
local due = redis.call('ZRANGE', key.attention, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return false end
redis.call('ZADD', key.attention, now + math.max(1, ARGV[1]), due[1])
return { due[1], redis.call('HGET', key.job(due[1]), 'version') }
