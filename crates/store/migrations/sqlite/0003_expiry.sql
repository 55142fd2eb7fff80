-- When a push is of no more use. NULL in rows that a handler of an earlier version adds later: those never expire.
ALTER TABLE outbox ADD COLUMN expires_at_ms INTEGER;
-- What waits already says it in its payload.
UPDATE outbox SET expires_at_ms = CAST(json_extract(payload, '$.closes_at') AS INTEGER)
WHERE done_at_ms IS NULL AND json_valid(payload) AND json_extract(payload, '$.closes_at') IS NOT NULL;
