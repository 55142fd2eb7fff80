-- Applies one commit, if it begins at the position of the ranks.
-- KEYS: state, order, of, rebuild.
-- ARGV: game (or empty), partition, from, to, first (1: the first of this process), the changed players.
local state, order, of, rebuild = unpack(KEYS)
local game, partition, from, to, first, changed = unpack(ARGV)

local furthest = 'furthest:' .. partition
local known = redis.call('HMGET', state, 'game', partition, furthest)
local held, reached = known[2], known[3]
if game ~= '' and known[1] ~= game then
  -- The ranks are of another game.
elseif reached and before(from, reached) then
  -- Already applied. A commit that overlaps an applied one, or a process whose first commit is old, means that the
  -- store was restored from an older copy: then the ranks may contain commits that never happened.
  if not before(reached, to) and first ~= '1' then return end
  redis.call('HDEL', state, 'game')
elseif held then
  redis.call('HDEL', state, partition) -- not exact until the commit is complete
  if not whole(order, of) then
    redis.call('HDEL', state, 'game')
  elseif from == held then
    set(order, of, changed, '')
    redis.call('HSET', state, partition, to, furthest, to)
  end
else
  local run = redis.call('HMGET', rebuild, 'token', 'head')
  local token, head = run[1], run[2]
  if token and ((head and head ~= from) or not whole(order, of)) then
    redis.call('DEL', rebuild) -- a gap: the rebuild must start again
  elseif token then
    if not head then redis.call('HSET', rebuild, 'start', from) end
    redis.call('HSET', state, furthest, to)
    set(order, of, changed, to .. token)
    redis.call('HSET', rebuild, 'head', to)
  end
end
