-- Takes in one commit, where it begins where the board stands.
-- KEYS: state, order, of, rebuild. ARGV: game (or empty), partition, from, to, first (1: of this process), channel, then
-- who changed.
local state, order, of, rebuild = unpack(KEYS)
local game, partition, from, to, first, channel = unpack(ARGV, 1, 6)
local CHANGED = 7

local known = redis.call('HMGET', state, 'game', partition)
local held = known[2]
if game ~= '' and known[1] ~= game then
  -- Nothing of this game is here.
elseif held then
  -- Seen already. But a process cannot begin with what is long known, unless the store went back to an older copy.
  if not before(held, to) and first ~= '1' then return end
  redis.call('HDEL', state, partition) -- not exact until all of it is in
  if before(from, held) or not whole(order, of) then
    redis.call('HDEL', state, 'game') -- another history, or keys were lost: all of it is void
  elseif from == held then
    set(order, of, CHANGED, '')
    redis.call('HSET', state, partition, to)
  end
else
  local run = redis.call('HMGET', rebuild, 'token', 'head')
  local token, head = run[1], run[2]
  if token then
    if head and not before(head, to) then return end
    if (head and head ~= from) or not whole(order, of) then
      redis.call('DEL', rebuild) -- a gap: it must begin again
    else
      if not head then redis.call('HSET', rebuild, 'start', from) end
      set(order, of, CHANGED, to .. token)
      redis.call('HSET', rebuild, 'head', to)
    end
  end
end
redis.call('PUBLISH', channel, partition)
