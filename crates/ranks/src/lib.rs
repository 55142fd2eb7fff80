//! Exact ranks of all players; `None` when a rank may be wrong.
//!
//! The handler projects every commit into [`Ranks`]. Each partition has a position, and a projection applies only if it
//! begins at that position. A gap, left by a lost projection or by another handler, makes the partition stale: ranks
//! are `None` until it is rebuilt from the store. So ranks may be lost at any time, are never wrong, and recover as
//! long as [`Ranks::rebuild_stale`] is called.
//!
//! The list of the best players is not here but in the store. The server's handler and fetch roles and the Lambda use
//! this crate.

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

/// The store, with which ranks are compared and from which they are rebuilt.
pub trait Source: Sync {
    /// The current generation; `None` before the game is bound to an inbox.
    fn identity(&self) -> impl Future<Output = Result<Option<Identity>, store::Error>> + Send;

    /// The position of each partition.
    fn positions(&self) -> impl Future<Output = Result<Vec<(u16, Position)>, store::Error>> + Send;

    /// The standing of every player of a partition, and the position at which they were read.
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

/// Why ranks could not be compared with the store or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The store does not answer, or belongs to another game.
    #[error("the ranks cannot be compared with the store")]
    Store {
        #[from]
        source: store::Error,
    },
    /// Redis cannot be read or written.
    #[error("the ranks cannot be read or written")]
    Ranks {
        #[from]
        source: Error,
    },
}

impl RebuildError {
    /// Whether a retry of the same call may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source } => source.is_transient(),
            Self::Ranks { source } => source.is_transient(),
        }
    }
}

impl Ranks {
    /// Ranks in memory, for a process that applies every command itself. All are `None` before the first
    /// [`rebuild_stale`](Self::rebuild_stale).
    pub fn local(partitions: u16) -> Self {
        Self(Backend::Local(Local::new(partitions)))
    }

    /// Ranks in Redis, for any number of processes: `redis://[user:password@]host[:port][/database]`, or `rediss://…`
    /// with TLS and the system's roots. A cluster is used like one server: all keys have the same hash tag, so the node
    /// at this address must own their slot. Does not connect yet. A database belongs to one game.
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

    /// Projects a commit: the new standings of players of this partition. Never waits: with Redis, [`run`](Self::run)
    /// delivers it later, and a projection that does not fit into the queue is dropped, which leaves a gap.
    pub fn project(&self, partition: u16, from: Position, to: Position, changed: Vec<Standing>) {
        match &self.0 {
            Backend::Local(ranks) => ranks.project(partition, from, to, changed),
            Backend::Redis(ranks) => ranks.project(partition, from, to, changed),
        }
    }

    /// Delivers projections to Redis and listens for those of other processes, until `stop`; then delivers the rest
    /// within two seconds. Every process with ranks runs this once.
    pub async fn run(&self, stop: CancellationToken) {
        match &self.0 {
            Backend::Local(_) => stop.cancelled().await,
            Backend::Redis(ranks) => ranks.run(&stop).await,
        }
    }

    /// Compares the ranks with the store once, and rebuilds stale partitions unless another process is doing so. Every
    /// process that shows ranks must call this several times a second, one call after the other. Returns when
    /// rebuilding is done. The source must show every commit at once: a lagging replica looks like a store restored
    /// from a backup, for which all ranks are rebuilt.
    ///
    /// # Errors
    /// Those of the store and of Redis; the next call continues, except after [`store::Error::OtherPartitions`]: the
    /// number of partitions has changed, and the process needs a new [`Ranks`].
    pub async fn rebuild_stale(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        match &self.0 {
            Backend::Local(ranks) => Ok(ranks.rebuild_stale(source, now_ms).await?),
            Backend::Redis(ranks) => Box::pin(ranks.rebuild_stale(source, now_ms)).await, // it is large
        }
    }

    /// Compares the ranks with the store once, without rebuilding: for a short-lived process that shows ranks. Takes
    /// one round trip to each. The source must show every commit at once.
    ///
    /// # Errors
    /// Those of the store and of Redis; the next call continues.
    pub async fn watch(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        match &self.0 {
            Backend::Local(_) => Ok(()),
            Backend::Redis(ranks) => ranks.watch(source, now_ms).await,
        }
    }

    /// 1 + the number of players strictly ahead of this standing, which was read at these positions. `None` while that
    /// may be wrong: a partition is stale, or is behind these positions and was not up to date within the last 2 s, or
    /// Redis does not answer within 100 ms.
    pub async fn rank(&self, standing: &Standing, positions: &[(u16, Position)], now_ms: i64) -> Option<u64> {
        match &self.0 {
            Backend::Local(ranks) => ranks.rank(standing, positions, now_ms),
            Backend::Redis(ranks) => ranks.rank(standing, positions, now_ms).await,
        }
    }

    /// Waits until a process has projected a commit since the last call. A hint for one listener, which may miss some.
    /// Never returns for ranks in memory, whose handler knows its commits.
    pub async fn changed(&self) {
        match &self.0 {
            Backend::Local(_) => future::pending().await,
            Backend::Redis(ranks) => ranks.changed().await,
        }
    }
}
