//! The loop that compares ranks with the store, and rebuilds what is behind or lost.

use std::sync::Arc;
use std::time::Duration;

use ranks::{Ranks, RebuildError};
use store::Reader;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::bounds::RANKS_COMPARE_MS;
use crate::clock::Clock;

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
        let mut failing = false;
        while !stop.is_cancelled() {
            let failed = failing;
            let rebuilding = Box::pin(self.ranks.rebuild_stale(&self.reader, self.clock.now_ms()));
            let rebuilt = stop.run_until_cancelled(rebuilding).await;
            failing = matches!(rebuilt, Some(Err(_)));
            match rebuilt {
                Some(Err(RebuildError::Store { source: source @ store::Error::OtherPartitions { .. } })) => {
                    return Err(source);
                }
                Some(Err(error)) if failed => debug!(error = serve::chain(&error), "ranks are still missing"),
                Some(Err(error)) => warn!(error = serve::chain(&error), "ranks are missing until this heals"),
                _ => {}
            }
            stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(RANKS_COMPARE_MS))).await;
        }
        Ok(())
    }
}
