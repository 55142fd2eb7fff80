-- Begins the rebuild of a partition: its ranks are no longer exact, and projections are collected from now on.
-- KEYS: lock, state, rebuild. ARGV: token, partition, its last known position (or empty).
-- Returns 1 if the rebuild has begun, 0 if the partition is at another position.
local lock, state, rebuild = unpack(KEYS)
local token, partition, seen = unpack(ARGV)
if redis.call('GET', lock) ~= token or (redis.call('HGET', state, partition) or '') ~= seen then return 0 end
redis.call('HDEL', state, partition)
redis.call('DEL', rebuild)
redis.call('HSET', rebuild, 'token', token, 'furthest', redis.call('HGET', state, 'furthest:' .. partition) or '')
return 1
