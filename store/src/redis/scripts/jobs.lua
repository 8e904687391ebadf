-- number to start below or '', jobs wanted, jobs to look at, tenant or '', title or '', phases
-- between spaces or '', 1 when none of them is final -> number of the last job looked at or '' at the end, then fields of jobs
local wanted, look = tonumber(ARGV[2]), tonumber(ARGV[3])
local start = ARGV[1] == '' and '+inf' or '(' .. ARGV[1]
local ids = redis.call('ZRANGE', ARGV[7] == '1' and key.live or key.jobs, start, '-inf', 'BYSCORE', 'REV',
  'LIMIT', 0, look, 'WITHSCORES')
local found = { '' }
for at = 1, #ids, 2 do
  local job = key.job(ids[at])
  local known = redis.call('HMGET', job, 'tenant', 'title', 'phase')
  local fits = (ARGV[4] == '' or ARGV[4] == known[1])
    and (ARGV[5] == '' or ARGV[5] == known[2])
    and (ARGV[6] == '' or string.find(ARGV[6], ' ' .. known[3] .. ' ', 1, true))
  if fits then found[#found + 1] = redis.call('HGETALL', job) end
  if #found > wanted or at + 1 == 2 * look then
    found[1] = ids[at + 1]
    break
  end
end
return found
