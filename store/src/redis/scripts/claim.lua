-- chunk, token, most claims -> unit, or 'drained', or 'lost'
local chunk, now = load_chunk(ARGV[1]), now_ms()
if not is_held(chunk, ARGV[2], now) then return 'lost' end
if free_units(chunk) == 0 then return 'drained' end
if #chunk.claimed >= tonumber(ARGV[3]) then
  return conflict(ARGV[1], 'as many units are claimed as may be at a time')
end
local units = key.units(task_of(ARGV[1]))
while redis.call('HEXISTS', units, chunk.next) == 1 do chunk.next = chunk.next + 1 end
local unit = chunk.next
chunk.next = unit + 1
chunk.claimed[#chunk.claimed + 1] = unit
redis.call('HSET', key.chunk(chunk.id), 'next', chunk.next,
  'claimed', table.concat(chunk.claimed, ','))
enrich(chunk)
return tostring(unit)
