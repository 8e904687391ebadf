-- node
if redis.call('EXISTS', key.node(ARGV[1])) == 0 then return not_found('node', ARGV[1]) end
redis.call('HSET', key.node(ARGV[1]), 'draining', 1)
unable(ARGV[1])
return 1
