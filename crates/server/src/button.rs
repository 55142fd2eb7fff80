//! The button's crowd: what the writer loop does with this game's commands.

use std::sync::Arc;

use game::{Action, Outcome, PressOutcome, PurchaseOutcome, Standing, World, partition_of};
use metrics::{Counter, counter};
use ranks::Ranks;
use serde::Serialize;
use store::{Commit, Committed, JournalRow, OutboxRow, Position, Prefetched};
use tokio::sync::Notify;
use tracing::warn;

use crate::clock::Clock;
use crate::writer::{Arrived, Crowd};

/// The game's side of the writer loop.
pub struct Button {
    store: store::Writer,
    partitions: u16,
    clock: Clock,
    ranks: Option<Arc<Ranks>>,
    live: Arc<Notify>,
    late_announcements: Counter,
    outcomes: Vec<(&'static str, Counter)>,
}

/// What the push of a round says, beside what every push says. All values are strings, as FCM wants them.
#[derive(Debug, Serialize)]
struct RoundPush {
    message: &'static str,
    round: String,
    opens_at: String,
    closes_at: String,
}

/// What a batch works on: the players, and what became of the commands.
pub struct ButtonBatch {
    world: World,
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
    /// The game over this store. `live` is poked after each commit.
    pub fn new(
        store: store::Writer,
        partitions: u16,
        clock: Clock,
        ranks: Option<Arc<Ranks>>,
        live: Arc<Notify>,
    ) -> Self {
        let outcome = |name| (name, counter!("buttonparty_outcomes_total", "outcome" => name));
        Self {
            store,
            partitions,
            clock,
            ranks,
            live,
            late_announcements: counter!("buttonparty_late_announcements_total"),
            outcomes: OUTCOMES.into_iter().map(outcome).collect(),
        }
    }

    /// Closes its side of the store.
    pub async fn close(&self) {
        self.store.close().await;
    }

    async fn write(
        &self,
        partition: u16,
        batch: &ButtonBatch,
        (from, to): (Position, Position),
        journal: &[JournalRow<'_>],
        rehearse: bool,
    ) -> Result<Committed, store::Error> {
        let outbox = batch.world.changes.rounds.iter().map(|round| {
            let closes_at_ms = round.closes_at_ms(game::Round::BASE_HALVES);
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
        });
        let outbox: Vec<_> = outbox.collect();
        let commit = Commit { partition, from, to, world: &batch.world, journal, outbox: &outbox };
        if rehearse { self.store.rehearse(commit).await } else { self.store.commit(commit).await }
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
                // Nothing is shown of a round before it opens, not even a count.
                Outcome::Announced(_) | Outcome::Ticked => continue,
            };
            if let Some((_, counter)) = self.outcomes.iter().find(|(known, _)| *known == name) {
                counter.increment(1);
            }
        }
    }
}

/// Reads a command of the game; a player's command must stand in the player's own partition.
///
/// # Errors
/// The reason to bury it.
pub fn decode_command(
    partition: u16,
    partitions: u16,
    payload: &str,
    id: &dyn Fn() -> String,
) -> Result<Action, String> {
    let action = wire::decode_action(payload, id).map_err(|error| error.to_string())?;
    match action.username().map(|username| partition_of(username.as_str(), partitions)) {
        Some(own) if own != partition => {
            Err(format!("belongs to partition {own}, stands in partition {partition}"))
        }
        _ => Ok(action),
    }
}

impl Crowd for Button {
    type Command = Action;
    type Batch = ButtonBatch;

    fn decode(&self, partition: u16, payload: &str, id: &dyn Fn() -> String) -> Result<Action, String> {
        decode_command(partition, self.partitions, payload, id)
    }

    async fn prefetch(
        &self,
        partition: u16,
        commands: &[&Arrived<Action>],
    ) -> Result<(Position, ButtonBatch), store::Error> {
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
        let Prefetched { from, world } = self.store.prefetch(partition, &usernames, &purchases).await?;
        Ok((from, ButtonBatch { world, outcomes: Vec::with_capacity(commands.len()) }))
    }

    fn apply(&self, batch: &mut ButtonBatch, arrived: &Arrived<Action>) -> Result<(), String> {
        let outcome =
            batch.world.apply(arrived.at_ms, &arrived.command).map_err(|fault| fault.to_string())?;
        batch.outcomes.push(outcome);
        Ok(())
    }

    async fn commit(
        &self,
        partition: u16,
        batch: &ButtonBatch,
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> Result<Committed, store::Error> {
        self.write(partition, batch, (from, to), journal, false).await
    }

    async fn rehearse(
        &self,
        partition: u16,
        batch: &ButtonBatch,
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> Result<Committed, store::Error> {
        self.write(partition, batch, (from, to), journal, true).await
    }

    /// A round is secret until it opens; a tick would tell that one is over for players with an extender.
    fn is_secret(&self, command: &Action) -> bool {
        matches!(command, Action::Announce(_) | Action::Tick { .. })
    }

    fn committed(&self, partition: u16, batch: ButtonBatch, from: Position, to: Position) {
        let now_ms = self.clock.now_ms();
        for round in batch.world.changes.rounds.iter().filter(|round| round.opens_at_ms < now_ms) {
            warn!(
                round = round.id,
                partition,
                late_ms = now_ms - round.opens_at_ms,
                "a round was announced late"
            );
            self.late_announcements.increment(1);
        }
        self.count(&batch.outcomes);
        if let Some(ranks) = &self.ranks {
            let changed =
                batch.world.changed().map(|(username, player)| Standing::of(username, player)).collect();
            ranks.project(partition, from, to, changed);
        }
        self.live.notify_one();
    }
}
