-- Renews the lock if the caller holds it; 0 ms releases it. KEYS: lock. ARGV: token, ms.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
