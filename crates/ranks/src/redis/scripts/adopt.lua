-- Forgets everything, and begins for this game.
-- KEYS: lock, state, order, of, then every rebuild. ARGV: token, game, the member that is no player's.
local lock, state, order, of = unpack(KEYS)
local token, game, nobody = unpack(ARGV)
if redis.call('GET', lock) ~= token then return 0 end
redis.call('UNLINK', unpack(KEYS, 2))
redis.call('ZADD', order, 0, nobody)
redis.call('HSET', of, '', '')
redis.call('HSET', state, 'game', game)
return 1
