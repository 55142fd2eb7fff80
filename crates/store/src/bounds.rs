//! Every bound of this crate, with its unit.

use std::time::Duration;

/// PostgreSQL connections of an outbox or a schedule: one for its steps, one for operators' requests.
pub(crate) const STEP_CONNECTIONS: u32 = 2;
/// How long a PostgreSQL connection may be silent before the server probes it, in seconds; the pause between probes, in
/// seconds; and how many may fail.
pub(crate) const KEEPALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3")];
/// How long PostgreSQL waits for the next statement of an audit, in milliseconds. An audit reads much between two
/// statements, and holds no lock.
pub(crate) const AUDIT_IDLE_MS_MAX: u32 = 60_000;
/// How often granting rights is tried while another session changes the same roles.
pub(crate) const GRANT_TRIES_MAX: u32 = 50;
/// The pause between two such tries.
pub(crate) const GRANT_PAUSE: Duration = Duration::from_millis(20);
/// Page cache of one SQLite connection, in KiB; negative, which is how SQLite tells KiB from pages.
pub(crate) const CACHE_KIB: &str = "-32768";
/// SQLite copies its log into the database when the log has this many pages of 4 KiB. A page that is written many times
/// in between is copied once.
pub(crate) const CHECKPOINT_PAGES: &str = "16384";
/// SQLite truncates its log to this size after a checkpoint, in bytes.
pub(crate) const LOG_BYTES_MAX: &str = "67108864";
/// Rows that an SQLite connection reads ahead of its caller.
pub(crate) const ROWS_READ_AHEAD: usize = 1024;
/// The pause before the next try to turn a new SQLite file into a WAL file, while another process is at it.
pub(crate) const WAL_RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Players that one SQLite statement writes, as a power of two. Smaller batches are powers of two as well, so that few
/// different statements are prepared.
pub(crate) const PLAYERS_PER_STATEMENT_LOG2: u32 = 6;
/// Players or devices that a repartition reads and moves at a time.
pub(crate) const REPARTITION_ROWS: u16 = 4_096;
