//! All bounds of the engine, each with its unit.

use std::time::Duration;

/// Latest accepted time of arrival, in Unix milliseconds: the largest integer that is exact in a JSON number.
pub const TIME_MS_MAX: i64 = 9_007_199_254_740_991;
/// Default maximum length of an envelope, in bytes: 64 KiB, the unit by which SQS bills a request.
pub const ENVELOPE_BYTES_MAX: usize = 65_536;
/// Maximum length of an envelope that is decoded, in bytes: 1 MiB, the limit of SQS.
pub(crate) const DECODE_BYTES_MAX: usize = 1_048_576;
/// Maximum number of pending commands in a batcher; with several partitions, one may have half of them.
pub const PENDING_COMMANDS_MAX: usize = 50_000;
/// Maximum bytes of pending payloads in a batcher: 64 MiB; with several partitions, one may have half of them.
pub const PENDING_BYTES_MAX: usize = 64 << 20;
/// The age of an envelope, in milliseconds, at which its senders get 503; until then it is retried under the same id.
pub const RESEND_MS_MAX: i64 = 60_000;
/// Minimum timeout of a send: an envelope with less time left is given up, so that it does not cut off younger ones.
pub const TRY_TIME_MIN: Duration = Duration::from_secs(1);
/// Maximum number of sends in flight in one batcher.
pub const SENDS_AT_ONCE_MAX: usize = 8;
/// The age of a send, in milliseconds, at which the partitions that are not in it begin another one.
pub const SLOW_SEND_MS: i64 = 1_000;
/// Bounds of the first and of the longest retry pause; jitter takes off up to half of each.
pub const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Maximum number of messages in one transaction of the handler.
pub const BATCH_MESSAGES_MAX: usize = 256;
/// Maximum bytes of messages in one transaction of the handler.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Maximum number of consecutive batches of one partition while other partitions wait.
pub const READ_AHEAD_MAX: u32 = 16;
/// Timeout of a receive in progress after a stop was requested.
pub const RECEIVE_STOP_MAX: Duration = Duration::from_secs(1);
/// Number of tries of a batch that the store refuses before the refused commands are searched and buried.
pub const POISON_TRIES_MAX: u32 = 3;
/// Number of tries of a batch whose position another handler moved, before the lease is released.
pub const FENCED_TRIES_MAX: u32 = 3;
/// Maximum length of the reason of a dead letter, in characters; a reason may quote what it is about.
pub const REASON_CHARS_MAX: usize = 500;
/// Dead letters in one page of a listing.
pub const DEAD_PAGE: usize = 1_000;
/// Live events that a connection may lag behind before it is sent the latest of each topic instead.
pub const LIVE_BEHIND_MAX: usize = 64;
