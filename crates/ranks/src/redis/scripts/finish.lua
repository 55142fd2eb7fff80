-- Ends a rebuild with a complete snapshot: the partition is at the position of the last collected projection.
-- KEYS: state, order, of, rebuild. ARGV: token, partition, the number of chunks.
local state, order, of, rebuild = unpack(KEYS)
local token, partition, chunks = unpack(ARGV)
local run = redis.call('HMGET', rebuild, 'token', 'chunks', 'head')
if run[1] ~= token or run[2] ~= chunks or not whole(order, of) then return 0 end
redis.call('HSET', state, partition, run[3])
redis.call('DEL', rebuild)
return 1
