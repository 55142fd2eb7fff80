-- When a push is of no more use. NULL in rows of the versions before this one: those never expire.
ALTER TABLE outbox ADD COLUMN expires_at_ms BIGINT;
