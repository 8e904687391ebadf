-- job id -> its fields
local fields = redis.call('HGETALL', key.job(ARGV[1]))
if #fields == 0 then return not_found('job', ARGV[1]) end
return fields
