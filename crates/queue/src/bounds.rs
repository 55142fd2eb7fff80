//! Every bound of this crate, with its unit.

use std::time::Duration;

/// How long a message id is remembered after its first send; a resend with it succeeds and stores nothing.
/// The embedded inbox has the same number in its trigger.
pub const DEDUP_MS: i64 = 300_000;

/// How long a statement waits for another process that is writing to the same file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a waiting receiver looks at the file: for what other processes sent and for leases that ran out.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The least time between two looks of one waiting receiver, however much is being sent.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Messages stored by one statement, which is one transaction. A power of two.
pub(crate) const ROWS_PER_STATEMENT_MAX: usize = 1024;

/// Read-only connections: reading bodies, figures and dead letters does not wait for writers.
pub(crate) const READERS_MAX: u32 = 4;

/// Size of a page of the file, in bytes. Measured with bodies of 30 KiB, sixteen in a send: a third faster
/// than 4096.
pub(crate) const PAGE_BYTES: u32 = 8192;

/// Pages beyond `file_bytes_max` that sends may not use, so that a full inbox can still be emptied and buried
/// from.
pub(crate) const HEADROOM_PAGES: u64 = 2048;

/// Pages in the write-ahead log after which a commit copies them into the file.
pub(crate) const PAGES_PER_CHECKPOINT: u32 = 2000;

/// What is kept of the write-ahead log's file after a burst, in bytes.
pub(crate) const LOG_KEPT_BYTES: u32 = 64 << 20;
