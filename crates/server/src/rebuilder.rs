//! The loop that compares ranks with the store, and rebuilds what is behind or lost.

use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use engine::run::{Repeat, Rest, Told, repeat};
use ranks::{Ranks, RebuildError};
use store::Reader;
use tokio_util::sync::CancellationToken;

use crate::bounds::RANKS_COMPARE_MS;

/// Compares and rebuilds, several times a second.
pub struct Rebuilder {
    /// The ranks.
    pub ranks: Arc<Ranks>,
    /// The store that they must agree with.
    pub reader: Reader,
    /// What time it is.
    pub clock: Clock,
}

impl Rebuilder {
    /// Runs until `stop`. A failure is no more than ranks that are not shown.
    ///
    /// # Errors
    /// When the game has another number of partitions by now: nothing that this process shows is right any more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        let clock = self.clock.clone();
        match repeat(&mut Rebuilding { rebuilder: self, stop: stop.clone() }, &clock, &stop).await {
            Err(RebuildError::Store { source }) => Err(source),
            _ => Ok(()),
        }
    }
}

/// A rebuilder at work.
struct Rebuilding {
    rebuilder: Rebuilder,
    stop: CancellationToken,
}

impl Repeat for Rebuilding {
    type Error = RebuildError;

    const TOLD: Told = Told::once("ranks are missing until this heals", "ranks are no longer missing");
    const PAUSES_MS: (u64, u64) = (RANKS_COMPARE_MS, RANKS_COMPARE_MS);

    async fn once(&mut self) -> Result<Rest, RebuildError> {
        let Rebuilder { ranks, reader, clock } = &self.rebuilder;
        // A stop cuts it off: what is half rebuilt is begun anew.
        let rebuilding = Box::pin(ranks.rebuild_stale(reader, clock.now_ms()));
        self.stop.run_until_cancelled(rebuilding).await.transpose()?;
        Ok(Rest::For(Duration::from_millis(RANKS_COMPARE_MS)))
    }

    fn is_fatal(&self, error: &RebuildError) -> bool {
        matches!(error, RebuildError::Store { source: store::Error::OtherPartitions { .. } })
    }
}
