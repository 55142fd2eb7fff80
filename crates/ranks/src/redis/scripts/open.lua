-- Sets the position of the snapshot. The collected projections must reach back to it, and no other write may be later.
-- KEYS: state, rebuild. ARGV: token, partition, at.
local state, rebuild = unpack(KEYS)
local token, partition, at = unpack(ARGV)
local run = redis.call('HMGET', rebuild, 'token', 'furthest', 'start', 'head')
local furthest, start, head = run[2], run[3], run[4]
if run[1] ~= token then return 0 end
if (furthest ~= '' and before(at, furthest)) or (start and before(at, start)) then
  redis.call('DEL', rebuild)
  return 0
end
if not head or before(head, at) then
  head = at
end
redis.call('HSET', state, 'furthest:' .. partition, head)
redis.call('HSET', rebuild, 'head', head, 'at', at, 'chunks', 0)
return 1
