-- Keeps the lock for longer, or for 0 ms, by whoever has it. KEYS: lock. ARGV: token, ms.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
