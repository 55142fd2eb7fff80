-- The game's tables. Times are Unix milliseconds; sequences are decimal, padded with zeros to 39 digits, so that
-- the order of the texts is that of the numbers. Text is compared byte by byte (BINARY, SQLite's default).
-- No index contains a column that a press changes.

-- What is fixed for the whole game: 'partitions', the number of partitions.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The inboxes that this game has drawn from; the one with the greatest number is the current one.
CREATE TABLE inboxes (
    number        INTEGER NOT NULL PRIMARY KEY,
    inbox_id      TEXT    NOT NULL,
    adopted_at_ms INTEGER NOT NULL
) STRICT;

-- Where each partition's writer stands: the fence against a second one.
CREATE TABLE partitions (
    partition          INTEGER NOT NULL PRIMARY KEY,
    inbox              INTEGER NOT NULL,
    sequence           TEXT    NOT NULL,
    applied_through_ms INTEGER NOT NULL
) STRICT;

-- One row per player, kept together by partition, so that a scan of one partition reads no other.
CREATE TABLE players (
    partition           INTEGER NOT NULL,
    username            TEXT    NOT NULL,
    name                TEXT,
    platform            TEXT,
    added_at_ms         INTEGER NOT NULL,
    score               INTEGER NOT NULL,
    streak              INTEGER NOT NULL,
    reached_at_ms       INTEGER NOT NULL,
    settled_round       INTEGER NOT NULL,
    pressed_round       INTEGER NOT NULL,
    fixed_round         INTEGER NOT NULL,
    fixed_extender      INTEGER NOT NULL,
    freeze_level        INTEGER,
    freeze_from_ms      INTEGER,
    freeze_until_ms     INTEGER,
    multiplier_level    INTEGER,
    multiplier_from_ms  INTEGER,
    multiplier_until_ms INTEGER,
    extender_level      INTEGER,
    extender_from_ms    INTEGER,
    extender_until_ms   INTEGER,
    press_round         INTEGER,
    press_outcome       TEXT,
    press_points        INTEGER,
    press_at_ms         INTEGER,
    purchase_id         TEXT,
    purchase_outcome    TEXT,
    PRIMARY KEY (partition, username)
) STRICT, WITHOUT ROWID;

-- Every purchase that was judged, so that a retry finds its first outcome.
CREATE TABLE purchases (
    partition INTEGER NOT NULL,
    username  TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    PRIMARY KEY (partition, username, id)
) STRICT, WITHOUT ROWID;

-- Who owns a device. The only rows that partitions share; `partition` is the owner's.
CREATE TABLE devices (
    token         TEXT    NOT NULL PRIMARY KEY,
    partition     INTEGER NOT NULL,
    username      TEXT    NOT NULL,
    platform      TEXT,
    arrived_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_partition ON devices (partition, token);

-- The rounds that each partition has been told of.
CREATE TABLE rounds (
    partition   INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    opens_at_ms INTEGER NOT NULL,
    window_ms   INTEGER NOT NULL,
    grace_ms    INTEGER NOT NULL,
    PRIMARY KEY (partition, id)
) STRICT, WITHOUT ROWID;

-- The best players of each partition, as JSON: [[score, reached_at_ms, username, name or null], …], best first.
CREATE TABLE board (
    partition INTEGER NOT NULL PRIMARY KEY,
    snapshot  TEXT    NOT NULL
) STRICT;

-- Every applied message as it was, and the indices of the commands in it that were buried, as a JSON array.
CREATE TABLE journal (
    partition INTEGER NOT NULL,
    inbox     INTEGER NOT NULL,
    sequence  TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    buried    TEXT    NOT NULL,
    PRIMARY KEY (partition, inbox, sequence)
) STRICT, WITHOUT ROWID;

-- What is to be pushed. `taken` counts the takings and tells a lease from the one before.
CREATE TABLE outbox (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    partition      INTEGER NOT NULL,
    topic          TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    due_at_ms      INTEGER NOT NULL,
    cursor         TEXT,
    owner          TEXT,
    taken          INTEGER NOT NULL DEFAULT 0,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    done_at_ms     INTEGER,
    UNIQUE (partition, topic)
) STRICT;
CREATE INDEX outbox_pending ON outbox (id) WHERE done_at_ms IS NULL;

-- The scheduler's table. stage: 0 drawn, 1 announcing, 2 announced.
CREATE TABLE schedule (
    id          INTEGER NOT NULL PRIMARY KEY,
    opens_at_ms INTEGER NOT NULL,
    window_ms   INTEGER NOT NULL,
    grace_ms    INTEGER NOT NULL,
    by_operator INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    ticks_sent  INTEGER NOT NULL
) STRICT;
CREATE INDEX schedule_by_opening ON schedule (opens_at_ms);
