-- The ordered inbox. Times are Unix milliseconds.

-- inbox_id names this file for ever: a copy restored elsewhere keeps it, a new file gets another.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('inbox_id', lower(hex(randomblob(16)))), ('checked_at_ms', 0);

-- AUTOINCREMENT: a sequence is never given out twice, also when the newest messages have been removed.
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    partition INTEGER NOT NULL,
    id TEXT NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
-- The rowid, which is the sequence, is the last column of every index: this one finds a partition's messages
-- in order.
CREATE INDEX messages_by_partition ON messages (partition);

-- How often a message was received. Beside the message, because changing its row would write its body again.
CREATE TABLE received (
    partition INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (partition, sequence)
) WITHOUT ROWID;

-- One row per partition that was ever in flight; it is while until_ms is ahead. The token grows with every
-- taking, so that an earlier holder is told from the present one. through is the last sequence that this
-- lease gave out.
CREATE TABLE leases (
    partition INTEGER PRIMARY KEY,
    token INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    through INTEGER NOT NULL
);

-- The ids sent in the last five minutes, acked or not. In order of sequence, so that the oldest are found
-- without an index on the time.
CREATE TABLE dedup (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    until_ms INTEGER NOT NULL
);

-- Triggers make a send one statement: one trip to the connection's thread, atomic without BEGIN and COMMIT.
CREATE TRIGGER messages_once BEFORE INSERT ON messages
WHEN EXISTS (SELECT 1 FROM dedup WHERE id = NEW.id AND until_ms > NEW.sent_at_ms)
BEGIN
    SELECT RAISE(IGNORE);
END;

-- Each send forgets up to two ids that are over, so the table never holds much more than five minutes.
CREATE TRIGGER messages_remembered AFTER INSERT ON messages
BEGIN
    DELETE FROM dedup
    WHERE sequence IN (SELECT sequence FROM dedup ORDER BY sequence LIMIT 2) AND until_ms <= NEW.sent_at_ms;
    REPLACE INTO dedup (sequence, id, until_ms) VALUES (NEW.sequence, NEW.id, NEW.sent_at_ms + 300000);
END;

CREATE TABLE dead (
    id TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    reason TEXT NOT NULL,
    buried_at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
