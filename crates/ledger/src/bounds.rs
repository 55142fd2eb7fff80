//! Every bound of this crate, with its unit; those that a caller chooses are in [`crate::Options`].

/// How much longer than PostgreSQL's own `statement_timeout` a call waits for an answer, in milliseconds.
pub(crate) const SILENCE_MS: u64 = 1_000;
/// A connection that was idle for longer is pinged before it is used, in milliseconds.
pub(crate) const FRESH_MS: u64 = 1_000;
/// How many times a wait for a connection is polled each time its task is polled.
pub(crate) const POLLS_PER_TURN: u32 = 64;
