-- epoch: raises that of the cell, never lowers it
if tonumber(ARGV[1]) > tonumber(redis.call('GET', key.epoch) or 0) then
  redis.call('SET', key.epoch, ARGV[1])
end
return 1
