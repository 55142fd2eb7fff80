-- The snapshot is as of this position: what was gathered must reach back to it. KEYS: rebuild. ARGV: token, at.
local rebuild, token, at = KEYS[1], ARGV[1], ARGV[2]
local run = redis.call('HMGET', rebuild, 'token', 'start', 'head')
local start, head = run[2], run[3]
if run[1] ~= token then return 0 end
if not head or before(head, at) then
  redis.call('HSET', rebuild, 'head', at)
elseif before(at, start) then
  redis.call('DEL', rebuild)
  return 0
end
redis.call('HSET', rebuild, 'at', at, 'chunks', 0)
return 1
