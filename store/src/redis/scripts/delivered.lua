-- receiver, head of the notice
local receiver = ARGV[1]
local notices = key.notices(receiver)
local first = redis.call('LINDEX', notices, 0)
if not first or string.sub(first, 1, #ARGV[2]) ~= ARGV[2] then return 1 end
redis.call('LPOP', notices)
count_notices(receiver, -1)
if redis.call('LLEN', notices) == 0 then
  forget_receiver(receiver)
else
  redis.call('HDEL', key.failures, receiver)
  redis.call('ZADD', key.deliveries, now_ms(), receiver)
end
return 1
