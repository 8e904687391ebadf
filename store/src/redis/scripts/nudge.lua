-- job id, delay in ms
if redis.call('EXISTS', key.job(ARGV[1])) == 0 then return not_found('job', ARGV[1]) end
redis.call('ZADD', key.nudges, 'LT', now_ms() + ARGV[2], ARGV[1])
return 1
