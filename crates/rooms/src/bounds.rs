//! What is refused because it is too large.

/// Characters of a message.
pub const MESSAGE_CHARS_MAX: usize = 4_000;
/// Bytes of a message in UTF-8.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Characters of the id of a room that a user makes.
pub const ROOM_CHARS_MAX: usize = 64;
/// References of a user's last messages that are remembered, so that a repeated frame counts once.
pub const REFS_KEPT: u64 = 64;
/// Places in the ring of a user's last messages; the greatest limit of messages a minute.
pub(crate) const SENT_RING: u64 = 1_024;
/// Messages that one sweep removes.
pub(crate) const SWEEP_MAX: usize = 100;
/// The time that a limit of messages counts over, in milliseconds.
pub(crate) const MINUTE_MS: i64 = 60_000;
