-- Returns the game, whether its keys are complete, and each partition's position and furthest position ever written.
-- KEYS: state, order, of. ARGV: the number of partitions.
local state, order, of = unpack(KEYS)
local fields, furthest = {}, {}
for i = 1, ARGV[1] do
  fields[i] = i - 1
  furthest[i] = 'furthest:' .. i - 1
end
local held = redis.call('HMGET', state, unpack(fields))
furthest = redis.call('HMGET', state, unpack(furthest))
local whole = redis.call('EXISTS', order, of) == 2 and redis.call('ZCARD', order) == redis.call('HLEN', of)
return {redis.call('HGET', state, 'game'), whole and 1 or 0, held, furthest}
