-- When the inbox stored each message. NULL in rows of an earlier version: what they announced was announced in time.
ALTER TABLE journal ADD COLUMN stored_at_ms BIGINT;
-- Whether the partition's first announcement of a round was stored after the round had opened.
ALTER TABLE rounds ADD COLUMN late BOOLEAN NOT NULL DEFAULT FALSE;
