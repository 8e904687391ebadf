-- tenant, weight, most held chunks or ''
redis.call('HSET', key.tenant(ARGV[1]), 'weight', ARGV[2], 'held_max', ARGV[3])
for _, builds in ipairs(redis.call('SMEMBERS', key.waits(ARGV[1]))) do rank_tenant(ARGV[1], builds) end
return 1
