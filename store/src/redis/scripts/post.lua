-- job id, version, receiver, notice JSON, most of a receiver, most in all -> 'new', 'known' or 'full'
local job, version, receiver, now = ARGV[1], ARGV[2], ARGV[3], now_ms()
local known = redis.call('HMGET', key.job(job), 'phase', 'posted')
if not known[1] then return not_found('job', job) end
if tonumber(known[2] or 0) >= tonumber(version) then return 'known' end
local all = tonumber(redis.call('HGET', key.totals, 'notices') or 0)
if redis.call('LLEN', key.notices(receiver)) >= tonumber(ARGV[5]) or all >= tonumber(ARGV[6]) then
  return 'full'
end
redis.call('HSET', key.job(job), 'posted', version)
-- The head tells a notice from every other: a time has 13 digits, which `..` keeps.
local head = now .. ' ' .. version .. ' ' .. job .. ' '
redis.call('RPUSH', key.notices(receiver), head .. ARGV[4])
redis.call('HINCRBY', key.totals, 'notices', 1)
redis.call('ZADD', key.deliveries, 'NX', now, receiver)
return 'new'
