//! The button's [`Crowd`].

use std::sync::Arc;

use engine::clock::Clock;
use engine::metrics::LATE_ANNOUNCEMENTS;
use engine::{Arrived, Crowd, Entry, Refusal};
use game::{
    Action, Fault, KnownRound, Outcome, PressOutcome, PurchaseOutcome, Round, Stamps, Standing, Username,
    World,
};
use ledger::{Read, Span, Write};
use metrics::{Counter, counter};
use parking_lot::Mutex;
use ranks::Ranks;
use serde::Serialize;
use store::{Memory, OutboxRow};
use tokio::sync::Notify;
use tracing::warn;

/// The rules and rows of the button.
pub struct Button {
    memory: Memory,
    clock: Clock,
    ranks: Option<Arc<Ranks>>,
    live: Arc<Notify>,
    late_announcements: Counter,
    /// Late rounds, with their partitions, that have not opened yet by this process's clock.
    untold: Mutex<Vec<(u16, Round)>>,
    outcomes: Vec<(&'static str, Counter)>,
}

/// The payload of a round's push. All values are strings, as FCM requires.
#[derive(Debug, Serialize)]
struct RoundPush {
    message: &'static str,
    round: String,
    opens_at: String,
    closes_at: String,
}

/// State of a batch: the players, and the outcomes of the commands.
pub struct ButtonBatch {
    rows: store::Batch,
    outcomes: Vec<Outcome>,
}

const OUTCOMES: [&str; 11] = [
    "added",
    "updated",
    "counted",
    "not_open",
    "already_pressed",
    "too_late",
    "bought",
    "higher_level_active",
    "not_enough_points",
    "purchase_known",
    "unknown_player",
];

impl Button {
    /// A button. `ranks` and `live` are notified of each commit.
    pub fn new(clock: Clock, ranks: Option<Arc<Ranks>>, live: Arc<Notify>) -> Self {
        let outcome = |name| (name, counter!(engine::metrics::OUTCOMES, "outcome" => name));
        Self {
            memory: Memory::default(),
            clock,
            ranks,
            live,
            late_announcements: counter!(LATE_ANNOUNCEMENTS),
            untold: Mutex::default(),
            outcomes: OUTCOMES.into_iter().map(outcome).collect(),
        }
    }

    /// A button for a tool that only decodes commands.
    pub fn offline() -> Self {
        Self::new(Clock::System, None, Arc::default())
    }

    /// Counts and logs rounds that were announced late. Nothing may show a round before it opens by this process's
    /// clock, so if this clock is slow, a later commit tells of it.
    fn tell_of_late_rounds(&self, partition: u16, changed: &[KnownRound]) {
        let late = changed.iter().filter(|known| known.late);
        let mut untold = self.untold.lock();
        untold.extend(late.map(|known| (partition, known.round)));
        let now_ms = self.clock.now_ms();
        for (partition, round) in untold.extract_if(.., |(_, round)| round.opens_at_ms < now_ms) {
            let since_opening_ms = now_ms - round.opens_at_ms;
            warn!(round = round.id, partition, since_opening_ms, "a round was announced late");
            self.late_announcements.increment(1);
        }
    }

    fn count(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let name = match outcome {
                Outcome::Added { new: true } => "added",
                Outcome::Added { new: false } => "updated",
                Outcome::Press(press) => PressOutcome::code(*press),
                Outcome::Purchase(purchase) => PurchaseOutcome::code(*purchase),
                Outcome::PurchaseKnown(_) => "purchase_known",
                Outcome::UnknownPlayer => "unknown_player",
                // No metric may show a round before it opens.
                Outcome::Announced(_) | Outcome::Ticked => continue,
            };
            if let Some((_, counter)) = self.outcomes.iter().find(|(known, _)| *known == name) {
                counter.increment(1);
            }
        }
    }
}

/// Applies a command to a world, for the handler and for `verify`.
///
/// # Errors
/// [`Fault`] if the command is impossible; nothing has changed then.
pub(crate) fn apply(world: &mut World, arrived: &Arrived<Action>) -> Result<Outcome, Fault> {
    let Arrived { at_ms, stored_at_ms, ref command, .. } = *arrived;
    world.apply(Stamps { arrived_at_ms: at_ms, stored_at_ms }, command)
}

/// The outbox rows of these rounds.
fn outbox(rounds: &[KnownRound]) -> Vec<OutboxRow> {
    let row = |KnownRound { round, .. }: &KnownRound| {
        let closes_at_ms = round.closes_at_ms(Round::BASE_HALVES);
        let push = RoundPush {
            message: "PRESS BUTTON",
            round: round.id.to_string(),
            opens_at: round.opens_at_ms.to_string(),
            closes_at: closes_at_ms.to_string(),
        };
        let payload = serde_json::to_string(&push).unwrap_or_default(); // cannot fail: strings only
        OutboxRow {
            topic: format!("round/{}", round.id),
            payload,
            due_at_ms: round.opens_at_ms,
            expires_at_ms: closes_at_ms,
        }
    };
    rounds.iter().map(row).collect()
}

impl Crowd for Button {
    type Command = Action;
    type Batch = ButtonBatch;

    fn decode(&self, entry: &Entry<'_>) -> Result<Action, Refusal> {
        wire::decode_action(entry.payload, || entry.id()).map_err(Refusal::new)
    }

    fn route<'c>(&self, action: &'c Action) -> Option<&'c str> {
        action.username().map(Username::as_str)
    }

    async fn load(
        &self,
        read: &mut Read<'_>,
        commands: &[&Arrived<Action>],
    ) -> Result<ButtonBatch, ledger::Error> {
        let mut usernames: Vec<_> =
            commands.iter().filter_map(|arrived| arrived.command.username()).cloned().collect();
        usernames.sort_unstable();
        usernames.dedup();
        let purchases = commands.iter().filter_map(|arrived| match &arrived.command {
            Action::Buy { username, id, .. } => Some((username.clone(), id.clone())),
            _ => None,
        });
        let mut purchases: Vec<_> = purchases.collect();
        purchases.sort_unstable();
        purchases.dedup();
        let rows = self.memory.load(read, &usernames, &purchases).await?;
        Ok(ButtonBatch { rows, outcomes: Vec::with_capacity(commands.len()) })
    }

    fn apply(&self, batch: &mut ButtonBatch, arrived: &Arrived<Action>) -> Result<(), Refusal> {
        let outcome = apply(&mut batch.rows.world, arrived).map_err(Refusal::new)?;
        batch.outcomes.push(outcome);
        Ok(())
    }

    /// The latest arrival that the partition has applied, Unix milliseconds.
    fn mark(&self, batch: &ButtonBatch) -> i64 {
        batch.rows.world.applied_through_ms
    }

    async fn save(&self, write: &mut Write<'_>, batch: &mut ButtonBatch) -> Result<(), ledger::Error> {
        let outbox = outbox(&batch.rows.world.changes.rounds);
        store::save(write, &mut batch.rows, &outbox).await
    }

    /// A round is secret until it opens, and a tick would reveal that it is over for players with an extender.
    fn is_secret(&self, command: &Action) -> bool {
        matches!(command, Action::Announce(_) | Action::Tick { .. })
    }

    fn committed(&self, batch: ButtonBatch, span: Span) {
        let Span { partition, from, to } = span;
        let ButtonBatch { rows, outcomes } = batch;
        let world = &rows.world;
        self.tell_of_late_rounds(partition, &world.changes.rounds);
        self.count(&outcomes);
        if let Some(ranks) = &self.ranks {
            let changed = world.changed().map(|(username, player)| Standing::of(username, player)).collect();
            ranks.project(partition, from, to, changed);
        }
        self.memory.keep(span, rows);
        self.live.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_late_round_is_told_of_once_it_has_opened_by_a_slow_clock_too() {
        const NOW_MS: i64 = 1_800_000_000_000;
        let recorder = PrometheusBuilder::new().build_recorder();
        let clock = Clock::manual(NOW_MS);
        metrics::with_local_recorder(&recorder, || {
            let button = Button::new(clock.clone(), None, Arc::default());
            let round = |id, opens_at_ms| Round::new(id, opens_at_ms, 100_000, 10_000);
            let (Ok(late), Ok(in_time)) = (round(1, NOW_MS + 2_000), round(2, NOW_MS + 1_000)) else {
                panic!("these are rounds")
            };
            let told = || {
                let text = recorder.handle().render();
                text.lines()
                    .find_map(|line| line.strip_prefix("buttonparty_late_announcements_total ")?.parse().ok())
            };
            let known = [(late, true), (in_time, false)].map(|(round, late)| KnownRound { round, late });
            button.tell_of_late_rounds(0, &known);
            assert_eq!(told(), Some(0), "nothing shows it before it opens");
            clock.advance(2_001);
            button.tell_of_late_rounds(1, &[]);
            button.tell_of_late_rounds(0, &[]);
            assert_eq!(told(), Some(1));
        });
    }
}
