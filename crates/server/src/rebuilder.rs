//! The loop that compares ranks with the store, and rebuilds stale or lost ones.

use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use engine::run::{LoopLog, Repeat, Rest, repeat};
use ranks::{Ranks, RebuildError};
use store::Reader;
use tokio_util::sync::CancellationToken;

use crate::bounds::RANKS_COMPARE;

/// Compares and rebuilds, several times a second.
pub struct Rebuilder {
    pub ranks: Arc<Ranks>,
    pub reader: Reader,
    pub clock: Clock,
}

impl Rebuilder {
    /// Runs until `stop`. While it fails, ranks are not shown.
    ///
    /// # Errors
    /// If the number of partitions has changed: nothing that this process shows is right any more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        let clock = self.clock.clone();
        match repeat(&mut Rebuilding { rebuilder: self, stop: stop.clone() }, &clock, &stop).await {
            Err(RebuildError::Store { source }) => Err(source),
            _ => Ok(()),
        }
    }
}

struct Rebuilding {
    rebuilder: Rebuilder,
    stop: CancellationToken,
}

impl Repeat for Rebuilding {
    type Error = RebuildError;

    const LOG: LoopLog = LoopLog::once(
        "cannot compare or rebuild ranks, retrying; stale ranks are withheld",
        "ranks recovered",
    );
    const PAUSES: (Duration, Duration) = (RANKS_COMPARE, RANKS_COMPARE);

    async fn once(&mut self) -> Result<Rest, RebuildError> {
        let Rebuilder { ranks, reader, clock } = &self.rebuilder;
        // A stop cuts it off: a half-done rebuild starts anew.
        let rebuilding = Box::pin(ranks.rebuild_stale(reader, clock.now_ms()));
        self.stop.run_until_cancelled(rebuilding).await.transpose()?;
        Ok(Rest::For(RANKS_COMPARE))
    }

    fn is_fatal(&self, error: &RebuildError) -> bool {
        matches!(error, RebuildError::Store { source: store::Error::OtherPartitions { .. } })
    }
}
