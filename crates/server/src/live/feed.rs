//! Feeds the hub with this game's events, from the store: so every process that serves pages shows the same, whoever
//! applied the presses. A round's event leaves at the very millisecond of its opening.

use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use engine::live::{Event, Hub};
use engine::run::{Repeat, Rest, Told, repeat};
use game::Round;
use ranks::Ranks;
use serde::Serialize;
use store::Reader;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::LiveState;

use crate::bounds::{LIVE_BOARD_ROWS, LIVE_POLL_MS, LIVE_ROUNDS_MS};

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
        let mut feeding = Feeding { feed: &self, board_at_ms: i64::MIN, shown: None };
        let _ = repeat(&mut feeding, &self.clock, &stop).await; // none of its errors is fatal
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
        let rows = fetch::top_rows(&self.reader, LIVE_BOARD_ROWS).await?;
        let data = serde_json::to_string(&rows).unwrap_or_default(); // cannot fail: strings and numbers
        self.hub.publish(Event { topic: "board", data: data.into(), stamped: false });
        Ok(())
    }
}

/// A feed at work.
struct Feeding<'f> {
    feed: &'f Feed,
    /// When the board is looked at next, as [`Clock::elapsed_ms`] says it.
    board_at_ms: i64,
    /// The round that was shown last.
    shown: Option<Round>,
}

impl Repeat for Feeding<'_> {
    type Error = store::Error;

    const TOLD: Told = Told::once("live events wait for the store", "live events are up to date again");
    const PAUSES_MS: (u64, u64) = (LIVE_POLL_MS.unsigned_abs(), LIVE_POLL_MS.unsigned_abs());

    async fn once(&mut self) -> Result<Rest, store::Error> {
        let elapsed_ms = self.feed.clock.elapsed_ms();
        let change_ms = self.feed.rounds(&mut self.shown).await?;
        if elapsed_ms >= self.board_at_ms {
            self.feed.board().await?;
            self.board_at_ms = elapsed_ms + LIVE_POLL_MS;
        }
        let at_most = Duration::from_millis(LIVE_POLL_MS.unsigned_abs());
        Ok(Rest::Until { at_ms: change_ms.unwrap_or(i64::MAX), at_most })
    }

    /// Until a commit, which may have brought an announcement that is nearer than the next look.
    async fn meanwhile(&mut self) {
        self.feed.poked().await;
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
