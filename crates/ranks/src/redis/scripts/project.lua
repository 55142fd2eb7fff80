-- Takes in one commit, if it begins where the ranks stand.
-- KEYS: state, order, of, rebuild. ARGV: game (or empty), partition, from, to, first (1: of this process), who changed.
local state, order, of, rebuild = unpack(KEYS)
local game, partition, from, to, first, changed = unpack(ARGV)

local furthest = 'furthest:' .. partition
local known = redis.call('HMGET', state, 'game', partition, furthest)
local held, reached = known[2], known[3]
if game ~= '' and known[1] ~= game then
  -- Nothing of this game is here.
elseif reached and before(from, reached) then
  -- Seen already. But no commit ends beyond where another ended in its midst, and no process begins with what is long
  -- known, unless the store went back to an older copy: then what is here may never have been.
  if not before(reached, to) and first ~= '1' then return end
  redis.call('HDEL', state, 'game')
elseif held then
  redis.call('HDEL', state, partition) -- not exact until all of it is in
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
    redis.call('DEL', rebuild) -- a gap: it must begin again
  elseif token then
    if not head then redis.call('HSET', rebuild, 'start', from) end
    redis.call('HSET', state, furthest, to)
    set(order, of, changed, to .. token)
    redis.call('HSET', rebuild, 'head', to)
  end
end
