-- -> chunk, time of death, units, failures of each
local dead = {}
for _, id in ipairs(redis.call('ZRANGE', key.dead, 0, -1)) do
  local chunk, units = load_chunk(id), {}
  local committed = key.units(task_of(id))
  for unit = chunk.next, chunk.stop - 1 do
    if redis.call('HEXISTS', committed, unit) == 0 then units[#units + 1] = unit end
  end
  dead[#dead + 1] = { id, chunk.dead_at, units, chunk.failures }
end
return dead
