//! Feeds the hub with this game's events, from the store: so every process that serves pages shows the same, whoever
//! applied the presses. A round's event leaves at the very millisecond of its opening.

use std::sync::Arc;
use std::time::Duration;

use game::Round;
use ranks::Ranks;
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
    /// The ranks, where this process has them: they tell of commits in other processes.
    pub ranks: Option<Arc<Ranks>>,
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
        let mut board_at_ms = i64::MIN;
        let mut shown = None;
        let mut failing = false;
        while !stop.is_cancelled() {
            let elapsed_ms = self.clock.elapsed_ms();
            let fed = async {
                let change_ms = self.rounds(&mut shown).await?;
                if elapsed_ms >= board_at_ms {
                    self.board().await?;
                    board_at_ms = elapsed_ms + LIVE_POLL_MS;
                }
                Ok::<_, store::Error>(change_ms)
            };
            let mut next_ms = i64::MAX;
            match fed.await {
                Ok(change_ms) => {
                    failing = false;
                    next_ms = change_ms.unwrap_or(next_ms);
                }
                Err(error) if failing => tracing::debug!(%error, "live events still wait for the store"),
                Err(error) => {
                    failing = true;
                    warn!(%error, "live events wait for the store");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep_until(next_ms, Duration::from_millis(LIVE_POLL_MS.unsigned_abs())) => {}
                // A commit may have brought an announcement that is nearer than the next look.
                () = self.poked() => {}
            }
        }
    }

    async fn poked(&self) {
        tokio::time::sleep(Duration::from_millis(LIVE_ROUNDS_MS)).await;
        match &self.ranks {
            Some(ranks) => tokio::select! { () = self.poke.notified() => {}, () = ranks.changed() => {} },
            None => self.poke.notified().await,
        }
    }

    /// Publishes the latest round's state; returns when a round opens or closes next, in Unix milliseconds. If the clock
    /// was set back and a shown round is in the future again, it is withdrawn.
    async fn rounds(&self, shown: &mut Option<Round>) -> Result<Option<i64>, store::Error> {
        let now_ms = self.clock.now_ms();
        let rounds = self.reader.live_rounds(now_ms).await?;
        if let Some(early) = shown.take_if(|round| round.opens_at_ms > now_ms) {
            self.hub.withdraw(round_event(&early, now_ms));
        }
        if let Some(round) = rounds.iter().rfind(|round| round.opens_at_ms <= now_ms) {
            self.hub.publish(round_event(round, now_ms));
            *shown = Some(*round);
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
    let lit = (round.opens_at_ms..closes_at_ms(round)).contains(&now_ms);
    let state = if lit { LiveState::Open } else { LiveState::Closed };
    let event =
        RoundEvent { state, round: round.id, opens_at: round.opens_at_ms, closes_at: closes_at_ms(round) };
    let data = serde_json::to_string(&event).unwrap_or_default(); // cannot fail: strings and numbers
    Event { topic: "round", data: data.into(), stamped: true }
}
