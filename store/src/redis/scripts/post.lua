-- job id, version, receiver, notice JSON, 'end ' if it tells of one, most of a receiver, most of a
-- tenant, most in all -> 'new', 'known' or 'full'
local job, version, receiver, now = ARGV[1], ARGV[2], ARGV[3], now_ms()
local known = redis.call('HMGET', key.job(job), 'phase', 'posted')
if not known[1] then return not_found('job', job) end
if tonumber(known[2] or 0) >= tonumber(version) then return 'known' end
if is_full(receiver, ARGV[6], ARGV[7], ARGV[8])
  and not (ARGV[5] ~= '' and drop_passing(receiver)) then
  return 'full'
end
redis.call('HSET', key.job(job), 'posted', version)
-- The head tells a notice from every other: a time has 13 digits, which `..` keeps.
local head = now .. ' ' .. version .. ' ' .. job .. ' '
redis.call('RPUSH', key.notices(receiver), head .. ARGV[5] .. ARGV[4])
count_notices(receiver, 1)
redis.call('ZADD', key.deliveries, 'NX', now, receiver)
return 'new'
