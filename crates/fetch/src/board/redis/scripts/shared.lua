-- What several scripts need. `order` holds every player as a member of the same score, so that they stand in the order
-- of their bytes: 16 of score and time, then the username. `of` holds each player's 16 bytes. Both hold one entry that
-- is no player's, so that a key that is missing was lost.

-- Whether position a is before b. Both are texts of the same length; Lua's own comparison depends on the locale.
local function before(a, b)
  for i = 1, #a do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return false
end

local function whole(order, of)
  return redis.call('EXISTS', order, of) == 2
end

-- Players written by one command: Lua's stack bounds how many arguments that can have.
local AT_ONCE = 500

-- Sets where players stand: ARGV from `first` on, as members of `order`, each player once.
-- `mark` is kept with them. With `at` they are as of this position, and who was marked by the same `token` with a later
-- one is left alone.
-- It may be cut off anywhere and repeated: where a player stood is forgotten last.
local function set(order, of, first, mark, at, token)
  for from = first, #ARGV, AT_ONCE do
    local names = {}
    for i = from, math.min(from + AT_ONCE - 1, #ARGV) do
      names[#names + 1] = string.sub(ARGV[i], 17)
    end
    local known = redis.call('HMGET', of, unpack(names))
    local gone, come, stand = {}, {}, {}
    for i, was in ipairs(known) do
      local later = at and was and string.sub(was, 57) == token and before(at, string.sub(was, 17, 56))
      if not later then
        local member = ARGV[from + i - 1]
        local place, old = string.sub(member, 1, 16), was and string.sub(was, 1, 16)
        if old ~= place then
          if old then gone[#gone + 1] = old .. names[i] end
          come[#come + 1] = '0'
          come[#come + 1] = member
        end
        stand[#stand + 1] = names[i]
        stand[#stand + 1] = place .. mark
      end
    end
    if #gone > 0 then redis.call('ZREM', order, unpack(gone)) end
    if #come > 0 then redis.call('ZADD', order, unpack(come)) end
    if #stand > 0 then redis.call('HSET', of, unpack(stand)) end
  end
end
