//! The writer loop over a full inbox against one transaction per press.

mod one_by_one;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use game::{Action, Add, Round, Username};
use one_by_one::OneByOne;
use queue::{Outgoing, Queue};
use server::button::Button;
use server::clock::{Clock, Stopwatch};
use server::writer::{Identity, Step, Writer};
use store::Store;
use tokio::sync::Notify;
use wire::{ENVELOPE_BYTES_MAX, EnvelopeBuilder};

use crate::report::{fsync_ms, median, row, verdict};
use crate::{Outcome, RUNS, folder};

/// Players, each of whom presses once in each round.
const PLAYERS: u64 = 200_000;
/// Coprime to the number of players: from press to press so far through them. Nobody presses in the order of the names.
const STRIDE: u64 = 48_271;
/// The one partition.
const PARTITION: u16 = 0;
const VISIBILITY_MS: i64 = 30_000;
/// The slower an fsync, the more is won by sharing it: the goals, and the latency in milliseconds that parts them.
const GOALS: (f64, f64, f64) = (5.0, 0.2, 20.0);
/// From opening to opening: more than the largest cutoff, so that rounds do not overlap.
const GAP_MS: i64 = 1_000_000;

/// Measures both in turn, and prints the ratio.
pub(crate) async fn compare() -> Outcome<()> {
    println!(
        "\n2. applying presses on SQLite: {PLAYERS} players, each presses once in a round, in no order of names"
    );
    println!(
        "   ours: writer::Writer stepped over an inbox of {PLAYERS} presses in envelopes of 64 KiB, until it is empty:"
    );
    println!(
        "         receive, decode, prefetch, rules, commit with journal and board, ack; one loop, role handler"
    );
    println!(
        "   one:  a loop with sqlx over the same schema and players: read the player, update, position, commit;"
    );
    println!(
        "         synchronous=FULL, {} s a run; without inbox, journal and board",
        one_by_one::MEASURED_S
    );
    let folder = folder()?;
    let mut ours = Ours::open(&folder.path().join("ours")).await?;
    ours.fill().await?;
    let other = folder.path().join("one");
    Ours::open(&other).await?.fill().await?;
    let mut one = OneByOne::open(&other.join("game.sqlite")).await?;
    let (mut ours_rates, mut one_rates, mut per_step) = (Vec::new(), Vec::new(), Vec::new());
    let mut fsyncs_ms = Vec::new();
    for id in (1..).take(RUNS) {
        // All of them lie ahead, like every round that is announced in time.
        let opens_at_ms = Clock::System.now_ms() + GAP_MS * (1 + i64::try_from(id)?);
        let round = Round::new(id, opens_at_ms, 100_000, 10_000)?;
        fsyncs_ms.push(fsync_ms(folder.path())?);
        one_rates.push(one.measure(&round).await?);
        let (rate, batch) = ours.measure(&round).await?;
        ours_rates.push(rate);
        per_step.push(batch);
    }
    ours.check().await?;
    let (ours, one) = (median(&ours_rates), median(&one_rates));
    println!("  one  {} /s  median {one:.0} /s", row(&one_rates));
    println!(
        "  ours {} /s  median {ours:.0} /s, {:.0} presses in a transaction",
        row(&ours_rates),
        median(&per_step)
    );
    let fsync_ms = median(&fsyncs_ms);
    println!("  fdatasync of 4 KiB in the same folder: {fsync_ms:.3} ms");
    let (quick, limit_ms, slow) = GOALS;
    verdict("ours / one", ours / one, if fsync_ms < limit_ms { quick } else { slow });
    Ok(())
}

/// The player who presses as the `press`th.
fn player(press: u64) -> String {
    format!("player-{:08}", press * STRIDE % PLAYERS)
}

/// The writer loop with its inbox and its store.
struct Ours {
    queue: Queue,
    writer: Writer<Button>,
    store: Store,
    envelopes: u64,
}

impl Ours {
    async fn open(data: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(data)?;
        let clock = Clock::System;
        let inbox = data.join("inbox.sqlite");
        let options = queue::Options { visibility_ms: VISIBILITY_MS, ..queue::Options::default() };
        let queue = Queue::open_sqlite(&inbox, options, clock.as_fn()).await?;
        let store = Store::sqlite(&data.join("game.sqlite"), store::Options::default());
        store.migrate().await?;
        let writer = store.writer().await?;
        let identity = writer.settle_identity(queue.inbox_id(), 1, clock.now_ms()).await?;
        let identity = Identity { inbox_id: identity.inbox_id, generation: identity.inbox, partitions: 1 };
        let button = Button::new(writer, 1, clock.clone(), None, Arc::new(Notify::new()));
        let writer = Writer::new(queue.clone(), Arc::new(button), clock, identity, VISIBILITY_MS);
        Ok(Self { queue, writer, store, envelopes: 0 })
    }

    /// Adds all players.
    async fn fill(&mut self) -> Outcome<()> {
        let add = |index| {
            let username = Username::new(&player(index))?;
            Ok(Action::Add(Add { username, name: None, platform: None, token: None }))
        };
        self.send(Clock::System.now_ms(), (0..PLAYERS).map(add)).await?;
        self.drain(PLAYERS).await?;
        Ok(())
    }

    /// Applies a whole round, and returns the presses per second and per transaction.
    async fn measure(&mut self, round: &Round) -> Outcome<(f64, f64)> {
        self.send(round.opens_at_ms, [Ok(Action::Announce(*round))]).await?;
        self.drain(1).await?;
        let press = |index| Ok(Action::Press { username: Username::new(&player(index))? });
        self.send(round.opens_at_ms + 1, (0..PLAYERS).map(press)).await?;
        let watch = Stopwatch::start();
        let steps = self.drain(PLAYERS).await?;
        Ok((PLAYERS as f64 / watch.seconds(), PLAYERS as f64 / steps))
    }

    /// Puts commands into the inbox, packed as ingest does.
    async fn send(&mut self, at_ms: i64, actions: impl IntoIterator<Item = Outcome<Action>>) -> Outcome<()> {
        let mut payload = Vec::new();
        let mut envelope = self.envelope();
        for action in actions {
            payload.clear();
            wire::encode_action(&action?, false, &mut payload)?;
            if envelope.1.push(None, at_ms, &payload).is_none() {
                let full = std::mem::replace(&mut envelope, self.envelope());
                self.post(full).await?;
                envelope.1.push(None, at_ms, &payload).ok_or("a first entry always fits")?;
            }
        }
        self.post(envelope).await
    }

    fn envelope(&mut self) -> (String, EnvelopeBuilder) {
        self.envelopes += 1;
        let id = format!("bench-{}", self.envelopes);
        let builder = EnvelopeBuilder::new(self.queue.inbox_id(), 1, &id, ENVELOPE_BYTES_MAX);
        (id, builder)
    }

    async fn post(&self, (id, builder): (String, EnvelopeBuilder)) -> Outcome<()> {
        let outgoing = Outgoing { partition: PARTITION, id, body: builder.finish() };
        Ok(self.queue.send(&[outgoing]).await.into_iter().collect::<Result<_, _>>()?)
    }

    /// Steps until the inbox is empty; that many commands must have been applied. Returns the steps it took.
    async fn drain(&mut self, expected: u64) -> Outcome<f64> {
        let (mut applied, mut steps) = (0, 0.0);
        loop {
            match self.writer.step(Duration::ZERO).await? {
                Step::Applied { commands, .. } => {
                    applied += u64::try_from(commands)?;
                    steps += 1.0;
                }
                Step::Idle if applied == expected => return Ok(steps),
                step => return Err(format!("{step:?} after {applied} of {expected} commands").into()),
            }
        }
    }

    /// Every player has pressed in every round: whoever had no points for it spoils the comparison.
    async fn check(&self) -> Outcome<()> {
        let score: u64 = (1..).take(RUNS).map(game::curve).sum();
        let (_, standings) = self.store.reader().await?.standings(PARTITION).await?;
        let right = standings.iter().filter(|standing| standing.score == score).count();
        if u64::try_from(right)? == PLAYERS {
            Ok(())
        } else {
            Err(format!("{right} players have {score} points").into())
        }
    }
}
