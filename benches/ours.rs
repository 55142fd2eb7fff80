//! The handler's loop over a full inbox: the side that the others are compared with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::{Clock, Stopwatch};
use engine::handler::Step;
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder, Handler};
use game::{Action, Add, Round, Standing, Username, partition_of};
use queue::{Outgoing, Queue};
use ranks::Ranks;
use server::bounds::HANDLER_LOOPS_MAX;
use server::button::Button;
use store::Store;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Outcome, RUNS};

/// Players, each of whom presses once in each round.
pub(crate) const PLAYERS: u64 = 200_000;
/// The only partition of a one-partition game.
pub(crate) const PARTITION: u16 = 0;
/// Step between consecutive pressers, coprime to the number of players. Players do not press in the order of their
/// names.
const PRESS_STRIDE: u64 = 48_271;
/// The same step for adds. Players do not press in the order in which they joined.
const ADD_STRIDE: u64 = 7_919;
const VISIBILITY_MS: i64 = 30_000;
/// Time between openings: longer than the largest cutoff, so that rounds do not overlap.
const GAP_MS: i64 = 1_000_000;
/// Timeout for ranks to show everything after the last command was applied.
const SHOWN_MAX: Duration = Duration::from_secs(30);

/// Username of the `nth` presser of each round.
pub(crate) fn presser(nth: u64) -> String {
    name(nth * PRESS_STRIDE)
}

/// Username of the `nth` player added.
pub(crate) fn added(nth: u64) -> String {
    name(nth * ADD_STRIDE)
}

fn name(number: u64) -> String {
    format!("player-{:08}", number % PLAYERS)
}

/// The round with this id, counted from 1. All rounds open in the future, like every round that is announced in time.
pub(crate) fn round(id: u64) -> Outcome<Round> {
    let opens_at_ms = Clock::System.now_ms() + GAP_MS * (1 + i64::try_from(id)?);
    Ok(Round::new(id, opens_at_ms, 100_000, 10_000)?)
}

/// Time at which everybody presses in this round, in Unix milliseconds.
pub(crate) fn pressed_at_ms(round: &Round) -> i64 {
    round.opens_at_ms + 1
}

/// Score of a player who has pressed in every round up to this one.
pub(crate) fn score(round: u64) -> u64 {
    (1..=round).map(game::curve).sum()
}

/// Result of a measurement.
pub(crate) struct Measured {
    /// Presses per second.
    pub(crate) rate: f64,
    /// Number of transactions.
    pub(crate) transactions: u64,
}

impl Measured {
    /// Mean number of presses in a transaction.
    pub(crate) fn per_transaction(&self) -> f64 {
        PLAYERS as f64 / self.transactions as f64
    }
}

/// The handler's loops with their inbox and store, and the ranks that they update.
pub(crate) struct Ours {
    queue: Queue,
    packer: Packer,
    partitions: u16,
    /// As many loops as a handler runs for these partitions.
    loops: Vec<Handler<Button>>,
    store: Store,
    ranks: Option<Arc<Ranks>>,
}

impl Ours {
    /// Opens the loops over an empty store, with an inbox in this folder.
    pub(crate) async fn open(
        data: &Path,
        store: Store,
        ranks: Option<Arc<Ranks>>,
        partitions: u16,
    ) -> Outcome<Self> {
        let clock = Clock::System;
        let inbox = data.join("inbox.sqlite");
        let options = queue::Options { visibility_ms: VISIBILITY_MS, ..queue::Options::default() };
        let queue = Queue::open_sqlite(&inbox, options, clock.as_fn()).await?;
        let packer = Packer::new(queue.inbox_id(), partitions);
        store.migrate().await?;
        let ledger = store.ledger().await?;
        let identity = ledger.settle_identity(queue.inbox_id(), partitions, clock.now_ms()).await?;
        let button = Arc::new(Button::new(clock.clone(), ranks.clone(), Arc::new(Notify::new())));
        let make = |_| {
            let (queue, ledger, button) = (queue.clone(), ledger.clone(), Arc::clone(&button));
            Handler::new(queue, ledger, button, clock.clone(), identity.clone(), VISIBILITY_MS)
        };
        let loops = (0..partitions.min(HANDLER_LOOPS_MAX)).map(make).collect();
        Ok(Self { queue, packer, partitions, loops, store, ranks })
    }

    /// Adds all players.
    pub(crate) async fn fill(&mut self) -> Outcome<()> {
        let add = |nth| {
            let username = Username::new(&added(nth))?;
            Ok(Action::Add(Add { username, name: None, platform: None, token: None }))
        };
        let now_ms = Clock::System.now_ms();
        self.send(now_ms, (0..PLAYERS).map(add)).await?;
        self.drain(PLAYERS).await?;
        if let Some(ranks) = &self.ranks {
            Box::pin(ranks.rebuild_stale(&self.store.reader().await?, now_ms)).await?;
        }
        Ok(())
    }

    /// Applies a whole round. If there are ranks, the measurement ends when they show all of it.
    pub(crate) async fn measure(&mut self, round: &Round) -> Outcome<Measured> {
        for partition in 0..self.partitions {
            self.send_to(partition, round.opens_at_ms, [Ok(Action::Announce(*round))]).await?;
        }
        self.drain(u64::from(self.partitions)).await?;
        self.send(pressed_at_ms(round), presses(0..PLAYERS)).await?;
        let watch = Stopwatch::start();
        let transactions = self.drain(PLAYERS).await?;
        if let Some(ranks) = &self.ranks {
            shown(ranks, round).await?;
        }
        Ok(Measured { rate: PLAYERS as f64 / watch.seconds(), transactions })
    }

    /// Puts players' commands into the inbox, each into its player's partition.
    async fn send(&mut self, at_ms: i64, actions: impl IntoIterator<Item = Outcome<Action>>) -> Outcome<()> {
        let mut dealt: Vec<_> = (0..self.partitions).map(|_| Vec::new()).collect();
        for action in actions {
            let action = action?;
            let (Action::Add(Add { username, .. }) | Action::Press { username }) = &action else {
                return Err("only a player's commands have a partition".into());
            };
            let partition = partition_of(username.as_str(), self.partitions);
            dealt[usize::from(partition)].push(Ok(action));
        }
        for (partition, actions) in (0..).zip(dealt) {
            self.send_to(partition, at_ms, actions).await?;
        }
        Ok(())
    }

    async fn send_to(
        &mut self,
        partition: u16,
        at_ms: i64,
        actions: impl IntoIterator<Item = Outcome<Action>>,
    ) -> Outcome<()> {
        for (id, body) in self.packer.pack(at_ms, actions)? {
            let outgoing = Outgoing { partition, id, body, quiet: false };
            self.queue.send(&[outgoing]).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        Ok(())
    }

    /// Steps all loops until the inbox is empty, and checks the number of applied commands. Returns the number of
    /// steps.
    async fn drain(&mut self, expected: u64) -> Outcome<u64> {
        let (mut applied, mut steps) = (0, 0);
        let mut running: JoinSet<_> = self.loops.drain(..).map(until_idle).collect();
        while let Some(done) = running.join_next().await {
            let (writer, by_one, in_steps) = done??;
            self.loops.push(writer);
            applied += by_one;
            steps += in_steps;
        }
        if applied == expected { Ok(steps) } else { Err(format!("{applied} of {expected} commands").into()) }
    }

    /// Checks that every player has pressed in every round; a press without a point would distort the comparison.
    pub(crate) async fn check(&self) -> Outcome<()> {
        let score = score(RUNS);
        let reader = self.store.reader().await?;
        let mut right = 0;
        for partition in 0..self.partitions {
            let (_, standings) = reader.standings(partition).await?;
            right += standings.iter().filter(|standing| standing.score == score).count();
        }
        if u64::try_from(right)? == PLAYERS {
            Ok(())
        } else {
            Err(format!("{right} players have {score} points").into())
        }
    }
}

/// Steps until the inbox is empty. Returns the number of applied commands and of steps.
async fn until_idle(mut writer: Handler<Button>) -> Outcome<(Handler<Button>, u64, u64)> {
    let (mut applied, mut steps) = (0, 0);
    loop {
        match writer.step(Duration::ZERO).await? {
            Step::Applied { commands, .. } => {
                applied += u64::try_from(commands)?;
                steps += 1;
            }
            Step::Idle => return Ok((writer, applied, steps)),
            Step::Lost => return Err(format!("a batch was lost after {applied} commands").into()),
        }
    }
}

/// Waits until the last player is last in the ranks; then the ranks have every press of this round.
async fn shown(ranks: &Ranks, round: &Round) -> Outcome<()> {
    let username = Username::new(&name(PLAYERS - 1))?;
    let last = Standing { score: score(round.id), reached_at_ms: pressed_at_ms(round), username };
    let all = async {
        while ranks.rank(&last, &[], Clock::System.now_ms()).await != Some(PLAYERS) {
            ranks.changed().await;
        }
    };
    Ok(timeout(SHOWN_MAX, all).await.map_err(|_| "the ranks do not show all of a round")?)
}

/// The presses of a round, in order.
pub(crate) fn presses(nths: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Outcome<Action>> {
    nths.into_iter().map(|nth| Ok(Action::Press { username: Username::new(&presser(nth))? }))
}

/// Packs commands into envelopes, as ingest does.
pub(crate) struct Packer {
    inbox_id: String,
    partitions: u16,
    envelopes: u64,
}

impl Packer {
    pub(crate) fn new(inbox_id: &str, partitions: u16) -> Self {
        Self { inbox_id: inbox_id.to_owned(), partitions, envelopes: 0 }
    }

    /// The ids and the bodies of the envelopes.
    pub(crate) fn pack(
        &mut self,
        at_ms: i64,
        actions: impl IntoIterator<Item = Outcome<Action>>,
    ) -> Outcome<Vec<(String, String)>> {
        let (mut full, mut payload) = (Vec::new(), Vec::new());
        let (mut id, mut envelope) = self.envelope();
        for action in actions {
            payload.clear();
            wire::encode_action(&action?, &mut payload)?;
            if envelope.push(None, at_ms, &payload).is_none() {
                full.push((id, envelope.finish()));
                (id, envelope) = self.envelope();
                envelope.push(None, at_ms, &payload).ok_or("a first entry always fits")?;
            }
        }
        full.push((id, envelope.finish()));
        Ok(full)
    }

    fn envelope(&mut self) -> (String, EnvelopeBuilder) {
        self.envelopes += 1;
        let id = format!("bench-{}", self.envelopes);
        let envelope = EnvelopeBuilder::new(&self.inbox_id, self.partitions, &id, ENVELOPE_BYTES_MAX);
        (id, envelope)
    }
}
