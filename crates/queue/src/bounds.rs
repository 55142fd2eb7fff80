//! All bounds of this crate, each with its unit.

use std::time::Duration;

/// How long a message id is remembered after its first send; a resend with it succeeds and stores nothing.
/// The embedded inbox has the same number in its trigger.
pub const DEDUP_MS: i64 = 300_000;

/// A lease, or the memory of an id, may have at most this many times its full length left. One with more was written
/// by a clock that was ahead, and counts as over. Not one: the clocks of those who share an inbox may differ a
/// little.
pub(crate) const BELIEVED_LENGTHS_MAX: i64 = 2;

/// How long a statement waits for another process that writes to the same file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval at which a waiting receiver polls the file, for messages of other processes and for leases that ran out.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Minimum time between two polls of a waiting receiver, however much is sent.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// Maximum number of messages stored by one statement, which is one transaction. A power of two.
pub(crate) const ROWS_PER_STATEMENT_MAX: usize = 1024;

/// Number of read-only connections: reads of bodies, counts and dead letters do not wait for writers.
pub(crate) const READERS_MAX: u32 = 4;

/// Page size of the file, in bytes. Measured with bodies of 30 KiB, sixteen in a send: a third faster than 4096.
pub(crate) const PAGE_BYTES: u32 = 8192;

/// Pages beyond `file_bytes_max` that sends may not use, so that messages of a full inbox can still be acked and
/// buried.
pub(crate) const HEADROOM_PAGES: u64 = 2048;

/// Pages in the write-ahead log that trigger a checkpoint.
pub(crate) const PAGES_PER_CHECKPOINT: u32 = 2000;

/// Maximum size of the write-ahead log after a checkpoint, in bytes.
pub(crate) const LOG_KEPT_BYTES: u32 = 64 << 20;

/// Maximum number of messages in one request to SQS.
pub(crate) const ENTRIES_PER_REQUEST_MAX: usize = 10;

/// Maximum bytes of bodies and attributes in one request to SQS; a longer message goes alone. SQS accepts four times
/// as much, but not every server that speaks its protocol does.
pub(crate) const REQUEST_BYTES_MAX: usize = 262_144;

/// Maximum bytes of the attributes of a message in SQS: its queues must accept messages that much longer than a body.
pub(crate) const ATTRIBUTES_BYTES_MAX: usize = 4096;

/// Minimum `maxReceiveCount` of a queue's redrive policy, unless the options ask for less. Every receive counts for
/// all messages that it returns, whether they are processed or not.
pub(crate) const RECEIVE_MAX_MIN: u32 = 100;

/// Maximum length of the reason of a dead letter in SQS, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 2048;

/// Maximum length of an id in SQS, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 1024;

/// Maximum number of concurrent requests of one call to SQS; of a send, those that partitions share.
pub(crate) const REQUESTS_AT_ONCE_MAX: usize = 8;

/// Maximum long-poll time of a receive from SQS, in seconds.
pub(crate) const RECEIVE_WAIT_S_MAX: u64 = 20;

/// Timeout of a request to SQS, without the long-poll time of a receive.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout of a request to SQS with messages of several partitions. After it each of them is sent in a request of its
/// own, so that one that hangs does not hold up the others. It doubles, up to [`ANSWER_TIMEOUT`], each time that it runs
/// out, so that a slow service is not asked ten times as often.
pub(crate) const SHARED_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Shared requests in a row that must be answered in time before their timeout is halved again.
pub(crate) const SHARED_ANSWERS_IN_TIME: u32 = 32;

/// Maximum number of concurrent requests of one send to SQS that hold a single message each. Shared requests have
/// their own bound, so that partitions that hang never hold them up.
pub(crate) const SINGLE_REQUESTS_AT_ONCE_MAX: usize = 64;

/// Timeout of connecting to SQS.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Number of retries of a request to SQS within one call.
pub(crate) const RETRIES_MAX: usize = 3;

/// Bound of the pause before the first retry; it doubles each time, and jitter takes off up to half of it. All pauses
/// of a call together are below half a second.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(60);

/// Visibility timeout of dead letters while they are listed, in seconds, in case the listing is cut off.
pub(crate) const LETTERS_HIDDEN_S: i32 = 60;

/// Long-poll time after which a listing of dead letters is complete, in seconds. Not zero, because a receive without
/// long polling asks only some servers of SQS.
pub(crate) const LETTERS_WAIT_S: u64 = 1;

/// Long-poll time after which a queue is taken as empty, in seconds. Not zero, for the same reason.
pub(crate) const LAST_LOOK_S: u64 = 1;

/// Maximum number of dead letters in one listing.
pub(crate) const LETTERS_SEEN_MAX: usize = 10_000;
