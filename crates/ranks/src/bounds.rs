//! Every bound of this crate, with its unit.

use std::time::Duration;

/// How far a partition may be behind the store before ranks are withheld, in milliseconds. Source: docs/rules.md.
pub(crate) const BEHIND_MS_MAX: i64 = 2_000;
/// Changes kept while a partition is rebuilt; with more the rebuilding begins anew.
pub(crate) const WAITING_MAX: usize = 100_000;
/// How long a rank may take, in milliseconds: the rest of the answer does not wait longer for it.
pub(crate) const RANK_MS_MAX: u64 = 100;
/// Troubles that follow one another within this time are one outage, in milliseconds: there is one warning for it.
pub(crate) const OUTAGE_PAUSE_MS_MAX: i64 = 10_000;
/// Commits that wait for Redis at most.
pub(crate) const WAITING_COMMITS_MAX: usize = 4_096;
/// Standings that wait for Redis at most, about 100 bytes each.
pub(crate) const WAITING_STANDINGS_MAX: u32 = 200_000;
/// Commits in one round trip at most.
pub(crate) const COMMITS_AT_ONCE_MAX: usize = 64;
/// Standings in one round trip, unless one commit has more: a round trip must not take as long as an answer may.
pub(crate) const STANDINGS_AT_ONCE_MAX: usize = 20_000;
/// The pause after a failure; it doubles up to the longest.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause between two tries.
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(1_000);
/// How long delivering what is left may take when the process stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long subscribing may take, in milliseconds.
pub(crate) const SUBSCRIBE_MS_MAX: u64 = 2_000;
/// How long a subscription is trusted that says nothing: its connection may be dead without a word.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Connections of one process at most; each answers one request at a time.
pub(crate) const CONNECTIONS_MAX: usize = 32;
/// How long making a connection, or checking one that was used before, may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long Redis may take for one round trip.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_millis(5_000);
/// How long the lock outlives a process that died while it rebuilt, in milliseconds.
pub(crate) const LOCK_MS: u64 = 5_000;
/// Players that one script writes: it holds everybody else up for a few milliseconds.
pub(crate) const CHUNK_PLAYERS: usize = 1_000;
