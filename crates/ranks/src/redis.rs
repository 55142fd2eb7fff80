//! Ranks in Redis, for any number of processes. All state is in Redis and changes in scripts, each of which is atomic;
//! so it does not matter which process calls, or when one dies.
//!
//! `order` is a sorted set of all players in which every score is 0, so that members stand in the order of their bytes:
//! [`text::member`] makes that the order of ranks, and `ZLEXCOUNT` is the exact rank of any standing. `of` maps each
//! player to its member. `state` holds the game, the position of each partition (a partition without one is stale), and
//! the furthest position of each partition of which anything was ever written.
//!
//! The process that holds the lock rebuilds a stale partition. From then on projections are written in place, and their
//! positions are recorded; the snapshot is read from the store and written around them, chunk by chunk. The partition
//! is exact again if the recorded projections reach back to the snapshot without a gap. All of it is void when it
//! belongs to another game, is ahead of the store (which was restored from a backup), or has lost one of its keys.

mod deliver;
mod error;
mod link;
mod rebuild;
mod text;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use deadpool_redis::redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use game::Standing;
use parking_lot::{Mutex, RwLock};
use store::Position;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::warn;

use super::lag::Lag;
use crate::bounds::{OUTAGE_PAUSE_MS_MAX, RANK_MS_MAX};
use deliver::Queue;
pub use error::Error;
use link::Link;
use text::{OF, ORDER, PLACE_BYTES, STATE};

/// Ranks in Redis.
pub(super) struct Redis {
    link: Link,
    channel: String,
    partitions: u16,
    queue: Queue,
    /// The game of the store, once read; read again when Redis holds another.
    game: RwLock<Option<Arc<str>>>,
    /// The game that Redis holds; `None` before the first comparison with the store, and while Redis is void.
    shown: RwLock<Option<Arc<str>>>,
    lags: Mutex<Vec<Lag>>,
    poke: Notify,
    /// A number that no other process has; `None` in a process that leaves rebuilding to others. With the number of the
    /// turn it makes a token that is never used again: not every server lets scripts ask for the time, and a server's
    /// counters may be lost.
    process: Option<u64>,
    turns: AtomicU64,
    /// When a rank last failed, in Unix milliseconds.
    trouble_ms: AtomicI64,
}

/// What Redis says of a standing, as `rank.lua` returns it.
struct Ranked {
    /// How many players are ahead of it.
    ahead: u64,
    /// The member of its player, if Redis knows the player.
    own: Option<Vec<u8>>,
    /// By partition: the position for which that is so.
    held: Vec<String>,
}

impl FromRedisValue for Ranked {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (ahead, own, held) = from_redis_value(value)?;
        Ok(Self { ahead, own, held })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Redis").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

impl Redis {
    pub(super) fn new(url: &str, partitions: u16) -> Result<Self, Error> {
        let link = Link::new(url)?;
        Ok(Self {
            channel: text::channel(link.database()),
            link,
            partitions,
            queue: Queue::new(partitions),
            game: RwLock::new(None),
            shown: RwLock::new(None),
            lags: Mutex::new((0..partitions).map(|_| Lag::default()).collect()),
            poke: Notify::new(),
            process: None,
            turns: AtomicU64::new(0),
            trouble_ms: AtomicI64::new(i64::MIN / 2),
        })
    }

    pub(super) fn rebuilding_as(self, process: u64) -> Self {
        Self { process: Some(process), ..self }
    }

    pub(super) async fn changed(&self) {
        self.poke.notified().await;
    }

    pub(super) async fn rank(
        &self,
        standing: &Standing,
        positions: &[(u16, Position)],
        now_ms: i64,
    ) -> Option<u64> {
        let asked = timeout(Duration::from_millis(RANK_MS_MAX), self.ask(standing)).await;
        match asked.unwrap_or(Err(Error::Timeout { ms: RANK_MS_MAX })) {
            Ok(ranked) => self.judged(standing, positions, now_ms, ranked?),
            Err(error) => {
                let before_ms = self.trouble_ms.swap(now_ms, Ordering::Relaxed);
                if now_ms - before_ms > OUTAGE_PAUSE_MS_MAX {
                    warn!(error = error.chain(), "Redis is unavailable; ranks are withheld");
                }
                None
            }
        }
    }

    async fn ask(&self, standing: &Standing) -> Result<Option<Ranked>, Error> {
        let Some(game) = self.shown.read().clone() else { return Ok(None) };
        let mut call = self.link.scripts.rank.prepare_invoke();
        call.key(&[STATE, ORDER, OF]).arg(&*game).arg(self.partitions);
        call.arg(text::member(standing)).arg(standing.username.as_str());
        self.link.call(&call).await
    }

    fn judged(
        &self,
        standing: &Standing,
        positions: &[(u16, Position)],
        now_ms: i64,
        Ranked { ahead, own, held }: Ranked,
    ) -> Option<u64> {
        let held: Vec<Position> = held.iter().map(|text| text::position(text)).collect::<Option<_>>()?;
        let mut lags = self.lags.lock();
        for (partition, position) in positions {
            let index = usize::from(*partition);
            let (lag, held) = (lags.get_mut(index)?, *held.get(index)?);
            lag.observe_held(held);
            if lag.hides(held, *position, now_ms) {
                return None;
            }
        }
        // Redis may hold an earlier, better standing of the player, from before a purchase, which must not count.
        let place = &text::member(standing)[..PLACE_BYTES];
        let itself = own.is_some_and(|own| own.get(..PLACE_BYTES).is_some_and(|own| own < place));
        Some(1 + ahead.saturating_sub(u64::from(itself)))
    }
}
