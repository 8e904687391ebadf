-- run of the server, a name that nobody else gives, what is settled or '' -> name and state of the lapse of
-- this run: what was written before or on another run is of the past, and what was settled stays so
local run, name, settled = ARGV[1], ARGV[2], ARGV[3]
local known, state = string.match(redis.call('GET', key.lapse) or '', '^' .. run .. ' (%w+) (%w+)$')
if not known then
  known, state = name, 'open'
  redis.call('SET', key.lapse, run .. ' ' .. known .. ' ' .. state)
end
if settled ~= '' and settled == known and state == 'open' then
  state = 'settled'
  redis.call('SET', key.lapse, run .. ' ' .. known .. ' ' .. state)
end
return {known, state}
