//! Looks after the board of ranks: compares it with the store, and rebuilds what is behind or lost.

use std::sync::Arc;
use std::time::Duration;

use fetch::Board;
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
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            let keep = Box::pin(self.board.keep(&self.reader, self.clock.now_ms()));
            let kept = stop.run_until_cancelled(keep).await;
            match &kept {
                Some(Err(error)) if failing => debug!(error = fetch::chain(error), "ranks are still missing"),
                Some(Err(error)) => warn!(error = fetch::chain(error), "ranks are missing until this heals"),
                _ => {}
            }
            failing = matches!(kept, Some(Err(_)));
            stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(BOARD_KEEP_MS))).await;
        }
    }
}
