//! Looks after the board of ranks: compares it with the store, and rebuilds what is behind or lost.

use std::sync::Arc;
use std::time::Duration;

use fetch::{Board, KeepError};
use store::Reader;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::bounds::BOARD_KEEP_MS;
use crate::clock::Clock;

/// What it takes to look after a board.
pub struct Keeper {
    /// The board.
    pub board: Arc<Board>,
    /// What it must agree with.
    pub reader: Reader,
    /// What time it is.
    pub clock: Clock,
}

impl Keeper {
    /// Looks after it until `stop`. A failure is no more than ranks that are not shown.
    ///
    /// # Errors
    /// When the game has another number of partitions by now: nothing that this process shows is right any more.
    pub async fn run(self, stop: CancellationToken) -> Result<(), store::Error> {
        let mut failing = false;
        while !stop.is_cancelled() {
            let failed = failing;
            let keep = Box::pin(self.board.keep(&self.reader, self.clock.now_ms()));
            let kept = stop.run_until_cancelled(keep).await;
            failing = matches!(kept, Some(Err(_)));
            match kept {
                Some(Err(KeepError::Store { source: source @ store::Error::OtherPartitions { .. } })) => {
                    return Err(source);
                }
                Some(Err(error)) if failed => debug!(error = fetch::chain(&error), "ranks are still missing"),
                Some(Err(error)) => warn!(error = fetch::chain(&error), "ranks are missing until this heals"),
                _ => {}
            }
            stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(BOARD_KEEP_MS))).await;
        }
        Ok(())
    }
}
