//! Every bound of this crate, with its unit.

use std::time::Duration;

/// How long a message id is remembered after its first send; a resend with it succeeds and stores nothing.
/// The embedded inbox has the same number in its trigger.
pub const DEDUP_MS: i64 = 300_000;

/// How many times its full length a lease, or the memory of an id, may have left. What has more was written by a clock
/// that was ahead, and is over. Not just once: the clocks of those who share an inbox may differ a little.
pub(crate) const BELIEVED_LENGTHS_MAX: i64 = 2;

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

/// Messages that one request to SQS may send, receive, delete or extend.
pub(crate) const ENTRIES_PER_REQUEST_MAX: usize = 10;

/// Bodies and attributes that share one request to SQS, in bytes; a longer message goes alone. SQS itself takes
/// four times this, not every server that speaks its protocol does.
pub(crate) const REQUEST_BYTES_MAX: usize = 262_144;

/// What attributes may add to a body in SQS, in bytes: its queues must take messages that much longer.
pub(crate) const ATTRIBUTES_BYTES_MAX: usize = 4096;

/// How often the redrive policy of a queue must let a message be received at least, unless the options ask for less.
/// Every receive counts for all messages that it returns, whatever becomes of them.
pub(crate) const RECEIVE_MAX_MIN: u32 = 100;

/// The longest reason that is kept with a dead letter in SQS, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 2048;

/// The longest id of a dead letter or message in SQS, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 1024;

/// Requests to SQS that one call has under way at once.
pub(crate) const REQUESTS_AT_ONCE_MAX: usize = 8;

/// How long SQS may hold a receive that finds nothing.
pub(crate) const RECEIVE_WAIT_S_MAX: u64 = 20;

/// How long a request to SQS may take, a receive's waiting not counted.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting to SQS may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a request that SQS could not take just now is sent again, before the caller hears of it.
pub(crate) const RETRIES_MAX: usize = 3;

/// The pause before the first retry; it doubles each time, and a random part of half of it is left out. All pauses of a
/// request stay below half a second.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(60);

/// How long dead letters are hidden from others while they are listed, in seconds, should the listing be cut off.
pub(crate) const LETTERS_HIDDEN_S: i32 = 60;

/// How long a listing waits for a dead letter before it takes the list as complete, in seconds. Not zero: a
/// receive without waiting asks only some of SQS's servers.
pub(crate) const LETTERS_WAIT_S: u64 = 1;

/// How long SQS is asked for a message before a queue is taken for empty, in seconds. Not zero, for the same reason.
pub(crate) const LAST_LOOK_S: u64 = 1;

/// Dead letters that one listing looks at.
pub(crate) const LETTERS_SEEN_MAX: usize = 10_000;

/// Begins the ids of quiet messages.
pub(crate) const QUIET: char = '~';
