-- Makes the caller the keeper for a while; returns its token, or nothing while there is another. KEYS: lock. ARGV: ms.
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local token = table.concat(redis.call('TIME'), '.') -- no other keeper has the same: the lock was free, and now is not
redis.call('SET', KEYS[1], token, 'PX', ARGV[1])
return token
