-- chunk, token
local chunk, now = load_chunk(ARGV[1]), now_ms()
if not is_leased(chunk, ARGV[2]) then return 0 end
chunk.not_before = 0
stand(chunk, 'queued', now)
return 1
