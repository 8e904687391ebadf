-- chunk, token, failure as JSON, 'dead' or 'retry', delay in ms, count to raise or nothing,
-- 1 for elsewhere, most failures kept, silent attempts and last work that it must still have if its time
-- has to be over, or nothing -> 1 if it was ended
local chunk, now = load_chunk(ARGV[1]), now_ms()
if not is_leased(chunk, ARGV[2]) then return 0 end
local told = string.format('%d %d', chunk.silent_attempts, chunk.worked)
if ARGV[9] ~= '' and (chunk.expires > now or ARGV[9] ~= told) then return 0 end
local node, failures = chunk.node, {}
for failure in string.gmatch(chunk.failures, '[^\n]+') do failures[#failures + 1] = failure end
failures[#failures + 1] = now .. ' ' .. node .. ' ' .. ARGV[3]
while #failures > tonumber(ARGV[8]) do table.remove(failures, 1) end
chunk.failures = table.concat(failures, '\n')
if ARGV[6] ~= '' then chunk[ARGV[6]] = chunk[ARGV[6]] + 1 end
if ARGV[4] == 'retry' then
  chunk.avoid = ARGV[7] == '1' and node or ''
  chunk.not_before = now + ARGV[5]
  stand(chunk, 'queued', now)
  return 1
end
local task = task_of(chunk.id)
chunk.dead_at = now
stand(chunk, 'dead', now)
redis.call('HINCRBY', key.task(task), 'dead', 1)
redis.call('HSET', key.task(task), 'state', 'dead', 'failure', ARGV[3])
mark(job_of(task), now)
return 1
