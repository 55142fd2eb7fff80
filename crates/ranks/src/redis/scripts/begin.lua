-- Begins to rebuild a partition: it is not exact any more, and projections are gathered from now on.
-- KEYS: lock, state, rebuild. ARGV: token, partition, its position as it was seen (or empty).
-- Returns whether it has begun: not if the partition has moved since it was seen.
local lock, state, rebuild = unpack(KEYS)
local token, partition, seen = unpack(ARGV)
if redis.call('GET', lock) ~= token or (redis.call('HGET', state, partition) or '') ~= seen then return 0 end
redis.call('HDEL', state, partition)
redis.call('DEL', rebuild)
redis.call('HSET', rebuild, 'token', token, 'furthest', redis.call('HGET', state, 'furthest:' .. partition) or '')
return 1
