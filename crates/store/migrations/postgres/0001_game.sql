-- The game's tables. Times are Unix milliseconds; sequences are decimal, padded with zeros to 39 digits, so that
-- the order of the texts is that of the numbers. Text is compared byte by byte (COLLATE "C").
-- No index contains a column that a press changes.

-- What is fixed for the whole game: 'partitions', the number of partitions.
CREATE TABLE meta (
    key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The inboxes that this game has drawn from; the one with the greatest number is the current one.
CREATE TABLE inboxes (
    number        BIGINT NOT NULL PRIMARY KEY,
    inbox_id      TEXT   NOT NULL,
    adopted_at_ms BIGINT NOT NULL
);

-- Where each partition's writer stands: the fence against a second one. A row for each page, nearly: every batch
-- writes one anew.
CREATE TABLE partitions (
    partition          INTEGER NOT NULL PRIMARY KEY,
    inbox              BIGINT  NOT NULL,
    sequence           TEXT COLLATE "C" NOT NULL,
    applied_through_ms BIGINT  NOT NULL
) WITH (fillfactor = 10);

-- One row per player. The widest columns first, so that nothing is lost between them; two thirds of a page are left
-- free, so that the next version of each row, which is longer than the first, has room beside it and no index is touched,
-- even while the version before cannot go because somebody still looks at it.
CREATE TABLE players (
    added_at_ms         BIGINT NOT NULL,
    score               BIGINT NOT NULL,
    streak              BIGINT NOT NULL,
    reached_at_ms       BIGINT NOT NULL,
    settled_round       BIGINT NOT NULL,
    pressed_round       BIGINT NOT NULL,
    fixed_round         BIGINT NOT NULL,
    freeze_from_ms      BIGINT,
    freeze_until_ms     BIGINT,
    multiplier_from_ms  BIGINT,
    multiplier_until_ms BIGINT,
    extender_from_ms    BIGINT,
    extender_until_ms   BIGINT,
    press_round         BIGINT,
    press_points        BIGINT,
    press_at_ms         BIGINT,
    partition           INTEGER  NOT NULL,
    fixed_extender      SMALLINT NOT NULL,
    freeze_level        SMALLINT,
    multiplier_level    SMALLINT,
    extender_level      SMALLINT,
    username            TEXT COLLATE "C" NOT NULL,
    name                TEXT,
    platform            TEXT,
    press_outcome       TEXT,
    purchase_id         TEXT,
    purchase_outcome    TEXT,
    PRIMARY KEY (partition, username)
) WITH (fillfactor = 33);

-- Every purchase that was judged, so that a retry finds its first outcome.
CREATE TABLE purchases (
    partition INTEGER NOT NULL,
    username  TEXT COLLATE "C" NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    outcome   TEXT NOT NULL,
    PRIMARY KEY (partition, username, id)
);

-- Who owns a device. The only rows that partitions share; `partition` is the owner's. A token may be longer than what
-- an index takes: so its hash is the key, and the index by partition has its beginning.
CREATE TABLE devices (
    token_sha256  BYTEA   NOT NULL GENERATED ALWAYS AS (sha256(token)) STORED PRIMARY KEY,
    token         BYTEA   NOT NULL,
    partition     INTEGER NOT NULL,
    username      TEXT COLLATE "C" NOT NULL,
    platform      TEXT,
    arrived_at_ms BIGINT  NOT NULL
);
CREATE INDEX devices_by_partition ON devices (partition, substr(token, 1, 512));

-- The rounds that each partition has been told of.
CREATE TABLE rounds (
    partition   INTEGER NOT NULL,
    id          BIGINT  NOT NULL,
    opens_at_ms BIGINT  NOT NULL,
    window_ms   BIGINT  NOT NULL,
    grace_ms    BIGINT  NOT NULL,
    PRIMARY KEY (partition, id)
);

-- The best players of each partition, as JSON: [[score, reached_at_ms, username, name or null], …], best first.
CREATE TABLE board (
    partition INTEGER NOT NULL PRIMARY KEY,
    snapshot  TEXT    NOT NULL
);

-- Every applied message as it was (bytes, because a text cannot hold U+0000), and the indices of the commands in it
-- that were buried, as a JSON array.
CREATE TABLE journal (
    partition INTEGER NOT NULL,
    inbox     BIGINT  NOT NULL,
    sequence  TEXT COLLATE "C" NOT NULL,
    body      BYTEA   NOT NULL,
    buried    TEXT    NOT NULL,
    PRIMARY KEY (partition, inbox, sequence)
);

-- What is to be pushed. `taken` counts the takings and tells a lease from the one before.
CREATE TABLE outbox (
    id             BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition      INTEGER NOT NULL,
    topic          TEXT COLLATE "C" NOT NULL,
    payload        TEXT    NOT NULL,
    due_at_ms      BIGINT  NOT NULL,
    cursor         BYTEA,
    owner          TEXT,
    taken          BIGINT  NOT NULL DEFAULT 0,
    lease_until_ms BIGINT  NOT NULL DEFAULT 0,
    done_at_ms     BIGINT,
    UNIQUE (partition, topic)
);
CREATE INDEX outbox_pending ON outbox (id) WHERE done_at_ms IS NULL;

-- The scheduler's table. stage: 0 drawn, 1 announcing, 2 announced.
CREATE TABLE schedule (
    id          BIGINT   NOT NULL PRIMARY KEY,
    opens_at_ms BIGINT   NOT NULL,
    window_ms   BIGINT   NOT NULL,
    grace_ms    BIGINT   NOT NULL,
    by_operator BOOLEAN  NOT NULL,
    stage       SMALLINT NOT NULL,
    ticks_sent  SMALLINT NOT NULL
);
CREATE INDEX schedule_by_opening ON schedule (opens_at_ms);
