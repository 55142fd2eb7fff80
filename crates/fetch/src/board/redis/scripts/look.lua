-- The game, whether its keys are whole, and each partition's position.
-- KEYS: state, order, of. ARGV: the number of partitions.
local state, order, of = unpack(KEYS)
local fields = {}
for i = 1, ARGV[1] do
  fields[i] = i - 1
end
local held = redis.call('HMGET', state, unpack(fields))
local whole = redis.call('EXISTS', order, of) == 2 and redis.call('ZCARD', order) == redis.call('HLEN', of)
return {redis.call('HGET', state, 'game'), whole and 1 or 0, held}
