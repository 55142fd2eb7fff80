//! Every bound of the rules, with its unit.

/// Most bytes of UTF-8 in a username.
pub const USERNAME_BYTES_MAX: usize = 128;
/// Most bytes in a device token.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Most characters in a display name.
pub const NAME_CHARS_MAX: usize = 64;
/// Most bytes in the id of a purchase (`Idempotency-Key`).
pub const PURCHASE_ID_BYTES_MAX: usize = 128;
/// Highest score: the largest integer that every JSON reader represents exactly, 2^53 − 1.
pub const SCORE_MAX: u64 = (1 << 53) - 1;
/// Latest point in time that a command or a round may name, in Unix milliseconds: 2^53 − 1.
pub const TIME_MS_MAX: i64 = (1 << 53) - 1;
/// Longest window, and longest grace, of a round, in milliseconds: one day.
pub const WINDOW_MS_MAX: i64 = 86_400_000;
/// Highest round id.
pub const ROUND_ID_MAX: u64 = (1 << 53) - 1;
/// Most partitions of an inbox.
pub const PARTITIONS_MAX: u16 = 1024;
/// Players in the handler's cache of one partition's top.
pub const TOP_KEPT_MAX: usize = 1000;
/// Players in the stored snapshot of one partition's top, and the greatest `limit` of `/fetch/lb`.
pub const TOP_STORED_MAX: usize = 100;
