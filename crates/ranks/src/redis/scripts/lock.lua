-- Acquires the lock for a rebuild, unless another process holds it. KEYS: lock. ARGV: token, ms.
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
