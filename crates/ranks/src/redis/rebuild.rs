//! Compares ranks with the store, and rebuilds stale partitions.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_redis::redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use store::Position;
use tokio::time::sleep;
use tracing::{debug, info};

use super::text::{self, LOCK, NOBODY, OF, ORDER, STATE};
use super::{Error, Redis};
use crate::bounds::{CHUNK_PLAYERS, LOCK_MS};
use crate::{RebuildError, Source};

/// What Redis holds, as `look.lua` returns it.
struct Look {
    game: Option<String>,
    /// Whether none of its keys was lost.
    whole: bool,
    /// By partition: the position up to which it has everything; `None` where it is stale.
    held: Vec<Option<String>>,
    /// By partition: the furthest position of which anything was ever written.
    furthest: Vec<Option<String>>,
}

impl FromRedisValue for Look {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (game, whole, held, furthest) = from_redis_value(value)?;
        Ok(Self { game, whole, held, furthest })
    }
}

/// The result of a comparison.
enum Verdict {
    /// These partitions must be rebuilt. With each its position in Redis, as text, or empty.
    Stale(Vec<(u16, String)>),
    /// Nothing in Redis can be used.
    Void,
}

impl Redis {
    pub(crate) async fn rebuild_stale(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        let Some(process) = self.process else { return self.watch(source, now_ms).await };
        let Some((game, verdict)) = self.examine(source, now_ms).await? else { return Ok(()) };
        if matches!(&verdict, Verdict::Stale(stale) if stale.is_empty()) {
            return Ok(());
        }
        let Some(token) = self.lock(process).await? else { return Ok(()) };
        let repaired = self.repair(source, &game, &token, now_ms).await;
        let released = self.release(&token).await;
        repaired?;
        Ok(released?)
    }

    pub(crate) async fn watch(&self, source: &impl Source, now_ms: i64) -> Result<(), RebuildError> {
        self.examine(source, now_ms).await.map(drop)
    }

    /// Compares Redis with the store, and returns the store's game as well. `None`: the game is not bound to an inbox
    /// yet.
    async fn examine(
        &self,
        source: &impl Source,
        now_ms: i64,
    ) -> Result<Option<(Arc<str>, Verdict)>, RebuildError> {
        let known = self.game.read().clone();
        if let Some(game) = known {
            let verdict = self.compare(source, &game, now_ms).await?;
            if matches!(verdict, Verdict::Stale(_)) {
                return Ok(Some((game, verdict)));
            }
        }
        // Either Redis is wrong or the cached game is: another inbox may have been adopted.
        let Some(game) = self.read_game(source).await? else { return Ok(None) };
        let verdict = self.compare(source, &game, now_ms).await?;
        Ok(Some((game, verdict)))
    }

    /// Reads and caches the store's game. `None` before the game is bound to an inbox.
    async fn read_game(&self, source: &impl Source) -> Result<Option<Arc<str>>, RebuildError> {
        let Some(identity) = source.identity().await? else { return Ok(None) };
        if identity.partitions != self.partitions {
            let (known, found) = (identity.partitions, self.partitions);
            return Err(store::Error::OtherPartitions { known, found }.into());
        }
        let game: Arc<str> = text::game(&identity).into();
        *self.game.write() = Some(Arc::clone(&game));
        Ok(Some(game))
    }

    /// Reads Redis first, then the store, which must not be behind.
    async fn compare(&self, source: &impl Source, game: &str, now_ms: i64) -> Result<Verdict, RebuildError> {
        let look = self.look().await?;
        let positions = source.positions().await?;
        let verdict = self.judge(&look, game, &positions, now_ms);
        *self.shown.write() = match &verdict {
            Verdict::Stale(_) => Some(game.into()),
            Verdict::Void => None,
        };
        Ok(verdict)
    }

    fn judge(&self, look: &Look, game: &str, positions: &[(u16, Position)], now_ms: i64) -> Verdict {
        if look.game.as_deref() != Some(game) || !look.whole {
            return Verdict::Void;
        }
        let mut stale = Vec::new();
        let mut lags = self.lags.lock();
        for (partition, store) in positions {
            let index = usize::from(*partition);
            let Some(lag) = lags.get_mut(index) else { continue };
            let text_of = |texts: &[Option<String>]| texts.get(index).cloned().flatten().unwrap_or_default();
            if text::position(&text_of(&look.furthest)).is_some_and(|furthest| furthest > *store) {
                return Verdict::Void; // the store was restored from a backup
            }
            let position = text_of(&look.held);
            match text::position(&position) {
                Some(held) => {
                    lag.observe(held, *store, now_ms);
                    if lag.is_overdue(now_ms) {
                        stale.push((*partition, position));
                    }
                }
                None => stale.push((*partition, position)),
            }
        }
        Verdict::Stale(stale)
    }

    async fn repair(
        &self,
        source: &impl Source,
        game: &str,
        token: &str,
        now_ms: i64,
    ) -> Result<(), RebuildError> {
        // Another process may have rebuilt before this one had the lock.
        let stale = match self.compare(source, game, now_ms).await? {
            Verdict::Stale(stale) => stale,
            Verdict::Void => {
                info!("the ranks in Redis belong to another store; rebuilding");
                if !self.adopt(game, token).await? {
                    return Ok(());
                }
                *self.shown.write() = Some(game.into());
                (0..self.partitions).map(|partition| (partition, String::new())).collect()
            }
        };
        for (partition, seen) in stale {
            if self.rebuild_partition(source, partition, &seen, token).await? {
                if let Some(lag) = self.lags.lock().get_mut(usize::from(partition)) {
                    lag.was_exact(now_ms);
                }
            } else {
                debug!(partition, "rebuild of ranks interrupted, retrying");
            }
        }
        Ok(())
    }

    /// Rebuilds a partition; `false` when it was interrupted and must be retried.
    async fn rebuild_partition(
        &self,
        source: &impl Source,
        partition: u16,
        seen: &str,
        token: &str,
    ) -> Result<bool, RebuildError> {
        let scripts = &self.link.scripts;
        let rebuild = text::rebuild_key(partition);
        let mut begin = scripts.begin.prepare_invoke();
        begin.key(&[LOCK, STATE, &rebuild]).arg(token).arg(partition).arg(seen);
        if !self.link.call::<bool>(&begin).await? {
            return Ok(false);
        }
        let (at, standings) = self.run_while_renewing(token, source.standings(partition)).await??;
        let mut open = scripts.open.prepare_invoke();
        open.key(&[STATE, &rebuild]).arg(token).arg(partition).arg(text::position_text(at));
        if !self.link.call::<bool>(&open).await? {
            return Ok(false);
        }
        let chunks = standings.chunks(CHUNK_PLAYERS);
        let count = chunks.len();
        for (number, chunk) in chunks.enumerate() {
            let mut write = scripts.write.prepare_invoke();
            write.key(&[ORDER, OF, &rebuild, LOCK]).arg(token).arg(number).arg(LOCK_MS);
            write.arg(text::members(chunk));
            if !self.link.call::<bool>(&write).await? {
                return Ok(false);
            }
        }
        let mut finish = scripts.finish.prepare_invoke();
        finish.key(&[STATE, ORDER, OF, &rebuild]).arg(token).arg(partition).arg(count);
        Ok(self.link.call(&finish).await?)
    }

    async fn look(&self) -> Result<Look, Error> {
        let mut call = self.link.scripts.look.prepare_invoke();
        call.key(&[STATE, ORDER, OF]).arg(self.partitions);
        self.link.call(&call).await
    }

    /// Deletes everything and starts over for this game.
    async fn adopt(&self, game: &str, token: &str) -> Result<bool, Error> {
        let mut call = self.link.scripts.adopt.prepare_invoke();
        call.key(&[LOCK, STATE, ORDER, OF]);
        for partition in 0..self.partitions {
            call.key(text::rebuild_key(partition));
        }
        call.arg(token).arg(game).arg(&NOBODY);
        self.link.call(&call).await
    }

    /// Takes the rebuild lock; `None` when another process holds it.
    async fn lock(&self, process: u64) -> Result<Option<String>, Error> {
        let token = format!("{process:016x}.{}", self.turns.fetch_add(1, Ordering::Relaxed));
        let mut call = self.link.scripts.lock.prepare_invoke();
        call.key(LOCK).arg(&token).arg(LOCK_MS);
        Ok(self.link.call::<bool>(&call).await?.then_some(token))
    }

    /// Extends the lock, if this process still holds it.
    async fn extend(&self, token: &str) -> Result<(), Error> {
        self.set_lease(token, LOCK_MS).await
    }

    /// Releases the lock, if this process still holds it.
    async fn release(&self, token: &str) -> Result<(), Error> {
        self.set_lease(token, 0).await
    }

    async fn set_lease(&self, token: &str, ms: u64) -> Result<(), Error> {
        let mut call = self.link.scripts.extend.prepare_invoke();
        call.key(LOCK).arg(token).arg(ms);
        self.link.call(&call).await
    }

    /// Runs the work while renewing the lock.
    async fn run_while_renewing<T>(&self, token: &str, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = sleep(Duration::from_millis(LOCK_MS / 3)) => self.extend(token).await?,
            }
        }
    }
}
