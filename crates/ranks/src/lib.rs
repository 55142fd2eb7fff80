//! Ranks of all players: exact for what was projected, `None` where that is not sure.
//!
//! The handler projects every commit into [`Ranks`]. Each partition has a position: a projection counts only when it
//! begins where the last one ended. One that leaves a gap (it was lost, or another handler was at work) makes the
//! partition stale, and ranks are `None` until it was rebuilt from the store. So ranks may be lost at any moment: they
//! are never wrong, and heal by themselves as long as somebody calls [`Ranks::rebuild_stale`].
//!
//! What it is not: a list of the best players, which the store keeps. Who uses it: the server's handler and fetch roles,
//! and the Lambda.

mod bounds;
mod lag;
mod local;
mod redis;

use std::future::{self, Future};

use game::Standing;
use store::{Identity, Position, Reader};
use tokio_util::sync::CancellationToken;

use local::Local;
pub use redis::Error;
use redis::Redis;

/// The ranks of all players of a game.
#[derive(Debug)]
pub struct Ranks(Backend);

#[derive(Debug)]
enum Backend {
    Local(Local),
    Redis(Box<Redis>),
}

/// What ranks are compared with and rebuilt from: the store.
pub trait Source: Sync {
    /// What the game belongs to; `None` before that is settled.
    fn identity(&self) -> impl Future<Output = Result<Option<Identity>, store::Error>> + Send;

    /// Where each partition stands.
    fn positions(&self) -> impl Future<Output = Result<Vec<(u16, Position)>, store::Error>> + Send;

    /// Where every player of a partition stands, and the position at which that is so.
    fn standings(
        &self,
        partition: u16,
    ) -> impl Future<Output = Result<(Position, Vec<Standing>), store::Error>> + Send;
}

impl Source for Reader {
    async fn identity(&self) -> Result<Option<Identity>, store::Error> {
        Self::identity(self).await
    }

    async fn positions(&self) -> Result<Vec<(u16, Position)>, store::Error> {
        Self::positions(self).await
    }

    async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), store::Error> {
        Self::standings(self, partition).await
    }
}

/// Why ranks could not be compared with the store, or not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The store does not answer, or is that of another game.
    #[error("the ranks cannot be compared with the store")]
    Store {
        /// What the store said.
        #[from]
        source: store::Error,
    },
    /// Where the ranks are, they cannot be read or written.
    #[error("the ranks cannot be read or written")]
    Ranks {
        /// What Redis said.
        #[from]
        source: Error,
    },
}

impl RebuildError {
    /// Whether the same call may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source } => source.is_transient(),
            Self::Ranks { source } => source.is_transient(),
        }
    }
}

impl Ranks {
    /// Ranks in this process, for a process that applies every command itself. There are none before the first
    /// [`rebuild_stale`](Self::rebuild_stale).
    pub fn local(partitions: u16) -> Self {
        Self(Backend::Local(Local::new(partitions)))
    }

    /// Ranks in Redis, for any number of processes: `redis://[user:password@]host[:port][/database]`, or `rediss://…`
    /// with TLS and the system's roots. One that is a cluster is spoken to as one server: all keys have the same hash tag,
    /// so whoever answers at this address must have their slot. Opens nothing yet. A database belongs to one game.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn redis(url: &str, partitions: u16) -> Result<Self, Error> {
        Ok(Self(Backend::Redis(Box::new(Redis::new(url, partitions)?))))
    }

    /// Lets this process rebuild ranks in Redis, under a number that no other process has: a random one. Without it
    /// [`rebuild_stale`](Self::rebuild_stale) does what [`watch`](Self::watch) does. Ranks in this process need none.
    #[must_use]
    pub fn rebuilding_as(self, process: u64) -> Self {
        match self.0 {
            Backend::Local(_) => self,
            Backend::Redis(ranks) => Self(Backend::Redis(Box::new(ranks.rebuilding_as(process)))),
        }
    }

    /// Takes in what one commit changed: the new standings of the players of this partition. Never waits: in Redis it
    /// shows when [`run`](Self::run) has delivered it, and what is too much is dropped, which heals like any gap.
    pub fn project(&self, partition: u16, from: Position, to: Position, changed: Vec<Standing>) {
        match &self.0 {
            Backend::Local(ranks) => ranks.project(partition, from, to, changed),
            Backend::Redis(ranks) => ranks.project(partition, from, to, changed),
        }
    }

    /// Delivers projections to Redis and listens for those of others, until `stop`; then delivers what is left, within
    /// two seconds. Every process with ranks runs this once.
    pub async fn run(&self, stop: CancellationToken) {
        match &self.0 {
            Backend::Local(_) => stop.cancelled().await,
            Backend::Redis(ranks) => ranks.run(&stop).await,
        }
    }

    /// Compares the ranks once with the store, and rebuilds what is stale, unless another process is doing so. Every
    /// process that shows ranks calls this several times a second, one call after the other: without it there are none.
    /// Takes as long as rebuilding takes. The source must show every commit at once: a replica that lags looks like a
    /// store that went back to an older copy, for which all ranks are rebuilt.
    ///
    /// # Errors
    /// Those of the store and of Redis; calling again goes on, but after [`store::Error::OtherPartitions`]: the game was
    /// given another number of partitions, and who shows ranks must begin anew.
    pub async fn rebuild_stale(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        match &self.0 {
            Backend::Local(ranks) => Ok(ranks.rebuild_stale(source, now_ms).await?),
            Backend::Redis(ranks) => Box::pin(ranks.rebuild_stale(source, now_ms)).await, // it is large
        }
    }

    /// Compares the ranks once with the store and rebuilds nothing, for a process that shows ranks, does not last, and
    /// leaves rebuilding to the others: from then on it knows whether ranks can be trusted. Never longer than one round
    /// trip to each of them. The source must show every commit at once.
    ///
    /// # Errors
    /// Those of the store and of Redis; calling again goes on.
    pub async fn watch(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        match &self.0 {
            Backend::Local(_) => Ok(()),
            Backend::Redis(ranks) => ranks.watch(source, now_ms).await,
        }
    }

    /// 1 + the number of players strictly ahead of this standing, which was read at these positions. `None` while that
    /// is not sure: a partition is stale, or behind these positions and not known to have kept up within the last 2 s,
    /// or Redis does not answer within 100 ms.
    pub async fn rank(&self, standing: &Standing, positions: &[(u16, Position)], now_ms: i64) -> Option<u64> {
        match &self.0 {
            Backend::Local(ranks) => ranks.rank(standing, positions, now_ms),
            Backend::Redis(ranks) => ranks.rank(standing, positions, now_ms).await,
        }
    }

    /// Waits until a commit of any process was projected since the last call. A hint for one listener: some may be
    /// missed. Never, for ranks in this process, whose handler can say so itself.
    pub async fn changed(&self) {
        match &self.0 {
            Backend::Local(_) => future::pending().await,
            Backend::Redis(ranks) => ranks.changed().await,
        }
    }
}
