-- job id, version when it was handed out
local marked = redis.call('HGET', key.job(ARGV[1]), 'marked')
if not marked then return 1 end
if tonumber(marked) > tonumber(ARGV[2]) then
  redis.call('ZADD', key.attention, now_ms(), ARGV[1])
else
  redis.call('ZREM', key.attention, ARGV[1])
end
return 1
