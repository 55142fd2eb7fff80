//! The scheduler, stepped over a real table and a real inbox on a manual clock.

mod announcing;
mod clock;
mod operator;
mod restarts;
mod ticks;

use std::ops::Deref;
use std::sync::Arc;

use engine::Envelope;
use game::schedule::Cadence;
use game::{Action, Round};
use rand::SeedableRng;
use rand::rngs::StdRng;
use server::bounds::{ANNOUNCE_MARGIN_MS, LEAD_MS_MIN};
use server::scheduler::{Scheduler, SchedulerOptions};
use store::{Schedule, Scheduled, Stage, Store};

use crate::support::{NOW_MS, Site, game};

const GAP_MS: i64 = 3_600_000;
const LEAD_MS: i64 = 2_000;
const PARTITIONS: u16 = 2;

fn options() -> SchedulerOptions {
    let cadence = Cadence { window_ms: 100_000, grace_ms: 10_000, gap_ms: GAP_MS, odds: 10_000 };
    SchedulerOptions {
        cadence,
        lead_ms: LEAD_MS,
        lead_ms_min: LEAD_MS_MIN,
        first_round_ms: None,
        partitions: PARTITIONS,
    }
}

/// A command of the scheduler in the inbox.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    partition: u16,
    id: String,
    at_ms: i64,
    action: Action,
}

struct Bench {
    site: Site,
    store: Store,
    table: Schedule,
}

impl Deref for Bench {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Bench {
    async fn new() -> Self {
        Self::over(Site::new().await).await
    }

    async fn over(site: Site) -> Self {
        let (store, writer) = game(&site, PARTITIONS).await;
        writer.close().await;
        let table = store.schedule().await.unwrap();
        Self { site, store, table }
    }

    fn scheduler(&self, seed: u64) -> Arc<Scheduler> {
        self.with(seed, options())
    }

    fn with(&self, seed: u64, options: SchedulerOptions) -> Arc<Scheduler> {
        let rng = StdRng::seed_from_u64(seed);
        Scheduler::new(self.table.clone(), self.queue.clone(), self.clock.clone(), rng, options)
    }

    /// A scheduler of another process.
    async fn another(&self, seed: u64) -> Arc<Scheduler> {
        let (table, rng) = (self.store.schedule().await.unwrap(), StdRng::seed_from_u64(seed));
        Scheduler::new(table, self.another_queue().await, self.clock.clone(), rng, options())
    }

    /// Moves the clock to this time.
    fn go_to(&self, at_ms: i64) {
        self.clock.advance(at_ms - self.clock.now_ms());
        assert_eq!(self.clock.now_ms(), at_ms);
    }

    /// The latest row of the table.
    async fn latest(&self) -> Scheduled {
        self.table.latest().await.unwrap().unwrap()
    }

    /// A round whose announcement started and was never recorded as finished.
    async fn half_announced(&self, id: u64, opens_at_ms: i64) -> Round {
        let round = Round::new(id, opens_at_ms, 100_000, 10_000).unwrap();
        let row = Scheduled { round, by_operator: false, stage: Stage::Announcing, ticks_sent: 0 };
        assert!(self.table.insert_if_absent(&row).await.unwrap());
        round
    }

    /// Takes the scheduler's commands out of the inbox.
    async fn sent(&self) -> Vec<Sent> {
        let sent = |(partition, message): (u16, queue::Message)| {
            let envelope = Envelope::decode(&message.body).unwrap();
            assert_eq!((&*envelope.inbox, envelope.partitions), (self.queue.inbox_id(), PARTITIONS));
            assert_eq!(envelope.entries().len(), 1);
            let entry = envelope.entries().next().unwrap().unwrap();
            let action = wire::decode_action(entry.payload, || unreachable!()).unwrap();
            Sent { partition, id: message.id, at_ms: message.stored_at_ms, action }
        };
        self.drain().await.into_iter().map(sent).collect()
    }
}

/// The rounds that were announced to a partition, in order.
fn announced(sent: &[Sent], partition: u16) -> Vec<Round> {
    let round = |sent: &Sent| match sent.action {
        Action::Announce(round) if sent.partition == partition => Some(round),
        _ => None,
    };
    sent.iter().filter_map(round).collect()
}

/// The times up to which a partition was ticked, in order.
fn ticked(sent: &[Sent], partition: u16) -> Vec<i64> {
    let through = |sent: &Sent| match sent.action {
        Action::Tick { through_ms } if sent.partition == partition => Some(through_ms),
        _ => None,
    };
    sent.iter().filter_map(through).collect()
}
