//! Every bound of this crate, with its unit.

use std::time::Duration;

/// How far a partition may be behind the store before ranks are withheld, in milliseconds. Source: docs/rules.md.
pub(crate) const BEHIND_MS_MAX: i64 = 2_000;
/// Projections kept in memory while a partition is rebuilt; with more, the rebuild starts over.
pub(crate) const WAITING_MAX: usize = 100_000;
/// How long a response waits for its rank, in milliseconds.
pub(crate) const RANK_MS_MAX: u64 = 100;
/// Failures with less time between them are one outage, for which there is one warning, in milliseconds.
pub(crate) const OUTAGE_PAUSE_MS_MAX: i64 = 10_000;
/// The most commits that wait for Redis.
pub(crate) const WAITING_COMMITS_MAX: usize = 4_096;
/// The most standings that wait for Redis, about 100 bytes each.
pub(crate) const WAITING_STANDINGS_MAX: u32 = 200_000;
/// The most commits in one round trip.
pub(crate) const COMMITS_AT_ONCE_MAX: usize = 64;
/// The most standings in one round trip, unless one commit has more: it must stay well below [`ANSWER_TIMEOUT`].
pub(crate) const STANDINGS_AT_ONCE_MAX: usize = 20_000;
/// The first pause after a failure; pauses double up to [`PAUSE_MAX`].
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause between two retries.
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(1_000);
/// How long a stopping process may deliver its last projections.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long subscribing may take, in milliseconds.
pub(crate) const SUBSCRIBE_MS_MAX: u64 = 2_000;
/// A subscription that is silent for longer is renewed, because its connection may be dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The most connections of one process; each carries one request at a time.
pub(crate) const CONNECTIONS_MAX: usize = 32;
/// How long connecting, or checking an idle connection, may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long one round trip to Redis may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_millis(5_000);
/// The lease of the rebuild lock, in milliseconds: how long it outlives a dead process.
pub(crate) const LOCK_MS: u64 = 5_000;
/// Players that one script writes: it blocks Redis for a few milliseconds.
pub(crate) const CHUNK_PLAYERS: usize = 1_000;
