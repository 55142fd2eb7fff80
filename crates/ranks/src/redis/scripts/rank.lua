-- Returns the number of players ahead of a member, the stored entry of its player, and each partition's position.
-- KEYS: state, order, of. ARGV: game, the number of partitions, member, username.
local state, order, of = unpack(KEYS)
local game, partitions, member, username = unpack(ARGV)
local fields = {}
for i = 1, partitions do
  fields[i] = i - 1
end
local held = redis.call('HMGET', state, 'game', unpack(fields))
if held[1] ~= game then return false end
for i = 2, #held do
  if not held[i] then return false end
end
if redis.call('EXISTS', order, of) ~= 2 or redis.call('ZCARD', order) ~= redis.call('HLEN', of) then return false end
local ahead = redis.call('ZLEXCOUNT', order, '-', '(' .. member)
return {ahead, redis.call('HGET', of, username), {unpack(held, 2)}}
