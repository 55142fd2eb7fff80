-- Writes the next chunk of the snapshot. KEYS: order, of, rebuild, lock. ARGV: token, the chunk's number, ms to renew
-- the lock, the players. Chunks are only accepted in order: a chunk lost in a failover leaves a gap.
local order, of, rebuild, lock = unpack(KEYS)
local token, number, keep_ms, players = unpack(ARGV)
local run = redis.call('HMGET', rebuild, 'token', 'at', 'chunks')
if run[1] ~= token or run[3] ~= number or not whole(order, of) then return 0 end
set(order, of, players, '', run[2], token)
redis.call('HINCRBY', rebuild, 'chunks', 1)
if redis.call('GET', lock) == token then redis.call('PEXPIRE', lock, keep_ms) end
return 1
