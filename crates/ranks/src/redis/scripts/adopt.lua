-- Deletes all ranks, and starts empty ones for this game.
-- KEYS: lock, state, order, of, then every rebuild. ARGV: token, game, the sentinel member, which is not a player.
local lock, state, order, of = unpack(KEYS)
local token, game, nobody = unpack(ARGV)
if redis.call('GET', lock) ~= token then return 0 end
redis.call('UNLINK', unpack(KEYS, 2))
redis.call('ZADD', order, 0, nobody)
redis.call('HSET', of, '', '')
redis.call('HSET', state, 'game', game)
return 1
