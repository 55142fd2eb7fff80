//! Feeds the hub with this game's events, from the store: so every process that serves pages shows the same, whoever
//! applied the presses. A round's event leaves at the very millisecond of its opening.

use std::sync::Arc;
use std::time::Duration;

use fetch::Board;
use game::Round;
use serde::Serialize;
use store::Reader;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::LiveState;

use super::{Event, Hub};
use crate::bounds::{LIVE_BOARD_ROWS, LIVE_POLL_MS, LIVE_ROUNDS_MS};
use crate::clock::Clock;

/// What the feed needs.
pub struct Feed {
    /// Where events go.
    pub hub: Arc<Hub>,
    /// Where they are read from.
    pub reader: Reader,
    /// The board of ranks, where this process has one: it tells of commits in other processes.
    pub board: Option<Arc<Board>>,
    /// What time it is.
    pub clock: Clock,
    /// Poked after a commit in the same process.
    pub poke: Arc<Notify>,
}

/// [`wire::LiveRound`] without its time, which is put in when it leaves.
#[derive(Serialize)]
struct RoundEvent {
    state: LiveState,
    round: u64,
    opens_at: i64,
    closes_at: i64,
}

impl Feed {
    /// Feeds until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let poll_ms = i64::try_from(LIVE_POLL_MS).unwrap_or(i64::MAX);
        let mut board_at_ms = i64::MIN;
        let mut failing = false;
        while !stop.is_cancelled() {
            let now_ms = self.clock.now_ms();
            let mut next_ms = now_ms + poll_ms;
            let fed = async {
                let change_ms = self.rounds(now_ms).await?;
                if now_ms >= board_at_ms {
                    self.board().await?;
                    board_at_ms = now_ms + poll_ms;
                }
                Ok::<_, store::Error>(change_ms)
            };
            match fed.await {
                Ok(change_ms) => {
                    failing = false;
                    next_ms = next_ms.min(change_ms.unwrap_or(i64::MAX));
                }
                Err(error) if failing => tracing::debug!(%error, "live events still wait for the store"),
                Err(error) => {
                    failing = true;
                    warn!(%error, "live events wait for the store");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep_until(next_ms) => {}
                // A commit may have brought an announcement that is nearer than the next look.
                () = self.poked() => {}
            }
        }
    }

    async fn poked(&self) {
        tokio::time::sleep(Duration::from_millis(LIVE_ROUNDS_MS)).await;
        match &self.board {
            Some(board) => tokio::select! { () = self.poke.notified() => {}, () = board.changed() => {} },
            None => self.poke.notified().await,
        }
    }

    /// Publishes the latest round's state; returns when a round opens or closes next, in Unix milliseconds.
    async fn rounds(&self, now_ms: i64) -> Result<Option<i64>, store::Error> {
        let rounds = self.reader.live_rounds(now_ms).await?;
        if let Some(round) = rounds.iter().rfind(|round| round.opens_at_ms <= now_ms) {
            self.hub.publish(round_event(round, now_ms));
        }
        let changes_ms = rounds.iter().flat_map(|round| [round.opens_at_ms, closes_at_ms(round)]);
        Ok(changes_ms.filter(|at_ms| *at_ms > now_ms).min())
    }

    async fn board(&self) -> Result<(), store::Error> {
        let rows = fetch::board_rows(&self.reader, LIVE_BOARD_ROWS).await?;
        let data = serde_json::to_string(&rows).unwrap_or_default(); // cannot fail: strings and numbers
        self.hub.publish(Event { topic: "board", data: data.into(), stamped: false });
        Ok(())
    }
}

fn closes_at_ms(round: &Round) -> i64 {
    round.closes_at_ms(Round::BASE_HALVES)
}

fn round_event(round: &Round, now_ms: i64) -> Event {
    let state = if now_ms < closes_at_ms(round) { LiveState::Open } else { LiveState::Closed };
    let event =
        RoundEvent { state, round: round.id, opens_at: round.opens_at_ms, closes_at: closes_at_ms(round) };
    let data = serde_json::to_string(&event).unwrap_or_default(); // cannot fail: strings and numbers
    Event { topic: "round", data: data.into(), stamped: true }
}
