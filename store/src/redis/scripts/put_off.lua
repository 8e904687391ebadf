-- receiver, head of the notice, delay in ms
local receiver = ARGV[1]
local first = redis.call('LINDEX', key.notices(receiver), 0)
if not first or string.sub(first, 1, #ARGV[2]) ~= ARGV[2] then return 1 end
redis.call('HINCRBY', key.failures, receiver, 1)
redis.call('ZADD', key.deliveries, now_ms() + ARGV[3], receiver)
return 1
