-- -> jobs, chunks queued, chunks of paused jobs, chunks held, units left, microseconds left, chunks dead
local totals = redis.call('HMGET', key.totals, 'queued', 'paused', 'units', 'micros')
return {
  redis.call('ZCARD', key.live), tonumber(totals[1] or 0), tonumber(totals[2] or 0),
  redis.call('ZCARD', key.leases), tonumber(totals[3] or 0), tonumber(totals[4] or 0),
  redis.call('ZCARD', key.dead),
}
