//! Every bound of the engine, with its unit, in one place.

/// Latest time that anything is told to have arrived at, in Unix milliseconds: what a JSON number holds exactly.
pub const TIME_MS_MAX: i64 = 9_007_199_254_740_991;
/// Most bytes of an envelope's text by default: 64 KiB, which one SQS request is billed for.
pub const ENVELOPE_BYTES_MAX: usize = 65_536;
/// Most bytes of an envelope that is read: 1 MiB, what SQS takes at the most.
pub(crate) const DECODE_BYTES_MAX: usize = 1_048_576;
/// Commands that a batcher holds before they are in the inbox, at most.
pub const PENDING_COMMANDS_MAX: usize = 50_000;
/// Bytes of commands that a batcher holds before they are in the inbox, at most: 64 MiB.
pub const PENDING_BYTES_MAX: usize = 64 << 20;
/// How long after an envelope was begun its senders are told 503 at the latest, in milliseconds; until then it is sent
/// again and again under the same id.
pub const RESEND_MS_MAX: i64 = 60_000;
/// How long a try of a send may take at the least, in milliseconds: an envelope with less time left is given up rather
/// than cut off the try of younger ones.
pub const TRY_MS_MIN: u64 = 1_000;
/// Sends of one batcher that are in flight at once, at most.
pub const SENDS_AT_ONCE_MAX: usize = 8;
/// How long a send may take before the partitions that are not in it begin another one, in milliseconds.
pub const SLOW_SEND_MS: i64 = 1_000;
/// The bounds of the first and of the longest pause before the same thing is tried again, in milliseconds; up to half of
/// each is left out by chance.
pub const BACKOFF_MS: (u64, u64) = (50, 5_000);
/// Messages that the handler applies in one transaction, at most.
pub const BATCH_MESSAGES_MAX: usize = 256;
/// Bytes of messages that the handler applies in one transaction, at most.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Batches that a loop reads on in one partition before it looks at the others.
pub const READ_ON_MAX: u32 = 16;
/// How long a receive that is under way may go on after a stop was asked for, in milliseconds.
pub const RECEIVE_STOP_MS_MAX: u64 = 1_000;
/// How often a message whose commit keeps failing for good is tried alone before it is buried.
pub const POISON_TRIES_MAX: u32 = 3;
/// How often a batch is read again because another handler moved the position, before it is given back.
pub const FENCED_TRIES_MAX: u32 = 3;
/// Characters of the reason that a dead letter keeps; a reason may quote what it is about.
pub const REASON_CHARS_MAX: usize = 500;
/// Dead letters that are listed, and taken off the list, at a time.
pub const DEAD_PAGE: usize = 1_000;
/// Live events that a slow connection may be behind before it is brought up to date at once.
pub const LIVE_BEHIND_MAX: usize = 64;
