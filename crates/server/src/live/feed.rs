//! Publishes this game's events, which it reads from the store, so that all processes show the same. A round's event
//! is published at the millisecond of its opening.

use std::sync::Arc;
use std::time::Duration;

use engine::clock::Clock;
use engine::live::{Event, Hub};
use engine::run::{LoopLog, Repeat, Rest, repeat};
use game::Round;
use ranks::Ranks;
use serde::Serialize;
use store::Reader;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::LiveState;

use crate::bounds::{LIVE_BOARD_ROWS, LIVE_POLL_MS, LIVE_ROUNDS_PAUSE};

/// [`LIVE_POLL_MS`] as a duration.
const LIVE_POLL: Duration = Duration::from_millis(LIVE_POLL_MS.unsigned_abs());

/// The feed of live events.
pub struct Feed {
    pub hub: Arc<Hub>,
    pub reader: Reader,
    /// Notifies of commits in other processes; `None` if this process has no ranks.
    pub ranks: Option<Arc<Ranks>>,
    pub clock: Clock,
    /// Notified after a commit in this process.
    pub poke: Arc<Notify>,
}

/// [`wire::LiveRound`] without `now`, which is added on sending.
#[derive(Serialize)]
struct RoundEvent {
    state: LiveState,
    round: u64,
    opens_at: i64,
    closes_at: i64,
}

impl Feed {
    /// Publishes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut feeding = Feeding { feed: &self, board_at_ms: i64::MIN, shown: None };
        let _ = repeat(&mut feeding, &self.clock, &stop).await; // none of its errors is fatal
    }

    async fn poked(&self) {
        tokio::time::sleep(LIVE_ROUNDS_PAUSE).await;
        match &self.ranks {
            Some(ranks) => tokio::select! { () = self.poke.notified() => {}, () = ranks.changed() => {} },
            None => self.poke.notified().await,
        }
    }

    /// Publishes the state of the latest round; returns when a round opens or closes next, in Unix milliseconds. If
    /// the clock was set back before the opening of the published round, that is withdrawn.
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

struct Feeding<'f> {
    feed: &'f Feed,
    /// When the board is read next, by [`Clock::elapsed_ms`].
    board_at_ms: i64,
    /// The last published round.
    shown: Option<Round>,
}

impl Repeat for Feeding<'_> {
    type Error = store::Error;

    const LOG: LoopLog =
        LoopLog::once("cannot read live events from the store, retrying", "live events recovered");
    const PAUSES: (Duration, Duration) = (LIVE_POLL, LIVE_POLL);

    async fn once(&mut self) -> Result<Rest, store::Error> {
        let elapsed_ms = self.feed.clock.elapsed_ms();
        let change_ms = self.feed.rounds(&mut self.shown).await?;
        if elapsed_ms >= self.board_at_ms {
            self.feed.board().await?;
            self.board_at_ms = elapsed_ms + LIVE_POLL_MS;
        }
        Ok(Rest::Until { at_ms: change_ms.unwrap_or(i64::MAX), at_most: LIVE_POLL })
    }

    /// Returns after a commit, which may have brought an announcement that opens before the next poll.
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
