-- node, lease time in ms, then chunk and token of each lease -> 1 for each that is held
local now, renewed = now_ms(), {}
see(ARGV[1], now)
for at = 3, #ARGV, 2 do
  local chunk = load_chunk(ARGV[at])
  local held = is_leased(chunk, ARGV[at + 1])
  if held then
    redis.call('HSET', key.chunk(chunk.id), 'expires', now + ARGV[2])
    redis.call('ZADD', key.leases, now + ARGV[2], chunk.id)
  end
  renewed[#renewed + 1] = held and 1 or 0
end
return renewed
