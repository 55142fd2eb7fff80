-- Functions for several scripts. All members of `order` have the same score, so they are sorted by their bytes: 16
-- bytes of score and time, then the username. `of` maps each player to the 16 bytes. Both contain a sentinel entry, so
-- that a missing key means lost data.

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

-- Players written by one command: Lua's stack limits the number of arguments.
local AT_ONCE = 500

-- The members in one text, each after a byte with its length: some servers limit the number of arguments of a request.
local function members_in(text)
  local members, at = {}, 1
  while at <= #text do
    local last = at + string.byte(text, at)
    members[#members + 1] = string.sub(text, at + 1, last)
    at = last + 1
  end
  return members
end

-- Sets standings: members of `order` in one text, each player once.
-- `mark` is stored with each of them. With `at`, the standings are those at this position, and a player whose mark has
-- the same `token` and a later position is not changed.
-- An interrupted call can be repeated: the old standing of a player is replaced in `of` last.
local function set(order, of, text, mark, at, token)
  local members = members_in(text)
  for from = 1, #members, AT_ONCE do
    local names = {}
    for i = from, math.min(from + AT_ONCE - 1, #members) do
      names[#names + 1] = string.sub(members[i], 17)
    end
    local known = redis.call('HMGET', of, unpack(names))
    local gone, come, stand = {}, {}, {}
    for i, was in ipairs(known) do
      local later = at and was and string.sub(was, 57) == token and before(at, string.sub(was, 17, 56))
      if not later then
        local member = members[from + i - 1]
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
