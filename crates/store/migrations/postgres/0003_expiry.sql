-- When a push is of no more use. NULL in rows that a handler of an earlier version adds later: those never expire.
ALTER TABLE outbox ADD COLUMN expires_at_ms BIGINT;
-- What waits already says it in its payload.
UPDATE outbox SET expires_at_ms = substring(payload FROM '"closes_at":"([0-9]{1,18})"')::BIGINT WHERE done_at_ms IS NULL;
