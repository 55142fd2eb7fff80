-- Makes the caller the one who rebuilds for a while, unless there is another. KEYS: lock. ARGV: its token, ms.
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
