-- hold in ms -> time of the post, notice JSON, failures; nothing when no receiver is due
local now = now_ms()
local due, first
repeat
  due = redis.call('ZRANGE', key.deliveries, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
  if not due then return false end
  first = redis.call('LINDEX', key.notices(due), 0)
  if not first then forget_receiver(due) end
until first
redis.call('ZADD', key.deliveries, now + math.max(1, ARGV[1]), due)
local posted, notice = string.match(first, '^(%d+) %d+ %S+ %l*%s?({.*)$')
return { posted, notice, redis.call('HGET', key.failures, due) or 0 }
