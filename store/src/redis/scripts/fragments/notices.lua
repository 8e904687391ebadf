-- Notices that wait: how many there are, and what is dropped.

-- Notes that more or fewer notices of a receiver wait.
local function count_notices(receiver, by)
  local tenant = string.match(receiver, '^%S*')
  for _, of in ipairs({ 'all', 'tenant ' .. tenant, 'receiver ' .. receiver }) do
    if redis.call('HINCRBY', key.lengths, of, by) <= 0 then redis.call('HDEL', key.lengths, of) end
  end
end

-- Whether a receiver, its tenant or the cell has as many as it may have.
local function is_full(receiver, most, tenant_most, all_most)
  local tenant = 'tenant ' .. string.match(receiver, '^%S*')
  local known = redis.call('HMGET', key.lengths, 'all', tenant)
  return redis.call('LLEN', key.notices(receiver)) >= tonumber(most)
    or tonumber(known[2] or 0) >= tonumber(tenant_most)
    or tonumber(known[1] or 0) >= tonumber(all_most)
end

-- Drops the oldest notice of a receiver that tells of no end; the first one may be under way.
local function drop_passing(receiver)
  local notices = key.notices(receiver)
  for _, notice in ipairs(redis.call('LRANGE', notices, 1, -1)) do
    if not string.find(notice, '^%d+ %d+ %S+ end ') then
      redis.call('LREM', notices, 1, notice)
      count_notices(receiver, -1)
      return true
    end
  end
  return false
end

-- Forgets a receiver whose queue is empty or lost, and what is counted of it.
local function forget_receiver(receiver)
  redis.call('ZREM', key.deliveries, receiver)
  redis.call('HDEL', key.failures, receiver)
  local counted = redis.call('HGET', key.lengths, 'receiver ' .. receiver)
  if counted then count_notices(receiver, -counted) end
end
