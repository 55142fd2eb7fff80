//! Random histories: commits with projections in time, late or lost, rebuilds, and failures of Redis. Any rank returned
//! two seconds later is exact, and in the end all ranks are returned.

use std::mem;
use std::sync::Mutex;

use proptest::prelude::*;
use ranks::Source;
use store::Identity;
use tokio::runtime::Builder;

use super::world::{Commit, Copy, KINDS};
use super::*;

/// Whether and when a process gets the projection of a commit.
#[derive(Debug, Clone, Copy)]
enum Telling {
    AtOnce,
    Late,
    Never,
}

/// A commit to one of two partitions that changes some of a few players.
#[derive(Debug, Clone)]
struct Change {
    process: usize,
    partition: u16,
    scores: Vec<(u8, u64)>,
    telling: Telling,
}

/// A failure of Redis.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Flush,
    /// One of its keys is gone.
    Lose(&'static str),
}

#[derive(Debug, Clone)]
enum Event {
    Commit(Change),
    /// Late projections arrive, in order or reversed.
    Arrive {
        turned: bool,
    },
    /// A process rebuilds stale ranks; this happens between reading the store and writing the ranks.
    Rebuild {
        process: usize,
        meanwhile: Vec<Change>,
        blow: Option<Blow>,
    },
    Blow(Blow),
    Pass {
        ms: i64,
    },
    /// The store is copied.
    Backup,
    /// The copy replaces the store, and all processes restart.
    Restore,
}

fn change() -> impl Strategy<Value = Change> {
    let telling = prop_oneof![
        8 => Just(Telling::AtOnce),
        1 => Just(Telling::Late),
        1 => Just(Telling::Never),
    ];
    let scores = prop::collection::vec((0_u8..6, 0_u64..4), 0..4);
    (0_usize..2, 0_u16..2, scores, telling).prop_map(|(process, partition, mut scores, telling)| {
        scores.sort_unstable();
        scores.dedup_by_key(|(player, _)| *player);
        Change { process, partition, scores, telling }
    })
}

fn blow() -> impl Strategy<Value = Blow> {
    let keys = ["state", "order", "of", "lock", "rebuild:0", "rebuild:1"];
    prop_oneof![Just(Blow::Flush), prop::sample::select(keys.to_vec()).prop_map(Blow::Lose)]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let meanwhile = prop::collection::vec(change(), 0..5);
    let event = prop_oneof![
        12 => change().prop_map(Event::Commit),
        2 => any::<bool>().prop_map(|turned| Event::Arrive { turned }),
        6 => (0_usize..2, meanwhile, prop::option::weighted(0.2, blow()))
            .prop_map(|(process, meanwhile, blow)| Event::Rebuild { process, meanwhile, blow }),
        1 => blow().prop_map(Event::Blow),
        2 => (0_i64..3_000).prop_map(|ms| Event::Pass { ms }),
        1 => Just(Event::Backup),
        1 => Just(Event::Restore),
    ];
    prop::collection::vec(event, 1..50)
}

/// The state of a run, and projections that are still to arrive.
struct Run {
    world: World,
    late: Mutex<Vec<(usize, Commit)>>,
    backup: Option<Copy>,
}

impl Run {
    fn new(kind: Kind) -> Self {
        let mut world = World::new(kind, 2);
        if kind == Kind::Redis {
            world.processes.push(world.process());
        }
        Self { world, late: Mutex::default(), backup: None }
    }

    /// Ranks in process have a single process.
    fn process(&self, process: usize) -> usize {
        process % self.world.processes.len()
    }

    async fn commit(&self, change: &Change) {
        let partition = change.partition;
        let named = change.scores.iter().map(|(player, score)| (format!("p{partition}-{player}"), *score));
        let commit = self.world.commit(partition, &named.collect::<Vec<_>>());
        let process = self.process(change.process);
        match change.telling {
            Telling::AtOnce => self.world.project_now(process, commit).await,
            Telling::Late => self.late.lock().unwrap().push((process, commit)),
            Telling::Never => {}
        }
    }

    async fn arrive(&self, turned: bool) {
        let mut late = mem::take(&mut *self.late.lock().unwrap());
        if turned {
            late.reverse();
        }
        for (process, commit) in late {
            self.world.project_now(process, commit).await;
        }
    }

    async fn blow(&self, blow: Blow) {
        let url = &self.world.url;
        match blow {
            _ if url.is_empty() => {}
            Blow::Flush => flush(url).await,
            Blow::Lose(key) => ask(url, cmd("DEL").arg(format!("{{buttonparty}}:{key}"))).await,
        }
    }

    async fn rebuild(&self, process: usize, meanwhile: &[Change], blow: Option<Blow>) {
        let now_ms = self.world.now_ms();
        let turn = Turn { run: self, meanwhile: Mutex::new((meanwhile.to_vec(), blow)) };
        self.world.processes[self.process(process)].rebuild_stale(&turn, now_ms).await.unwrap();
    }

    async fn restore(&mut self, copy: Copy) {
        self.world.restore(copy);
        self.late.lock().unwrap().clear();
        for index in 0..self.world.processes.len() {
            self.world.processes[index] = self.world.process();
        }
        // A process that starts compares the ranks first.
        self.rebuild(0, &[], None).await;
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Commit(change) => self.commit(&change).await,
            Event::Arrive { turned } => self.arrive(turned).await,
            Event::Rebuild { process, meanwhile, blow } => self.rebuild(process, &meanwhile, blow).await,
            Event::Blow(blow) => self.blow(blow).await,
            Event::Pass { ms } => self.world.pass(ms),
            Event::Backup => self.backup = Some(self.world.copy()),
            // Restoring the store restarts the processes, which empties ranks in process.
            Event::Restore => {
                if let Some(copy) = self.backup.clone() {
                    self.restore(copy).await;
                }
            }
        }
    }

    /// Checks ranks once no projection may be late: each rank returned is exact.
    async fn check(&self) {
        self.world.pass(2_001);
        for process in 0..self.world.processes.len() {
            self.world.is_exact(process).await;
        }
    }
}

/// The store during a rebuild: an event happens after the store was read.
struct Turn<'a> {
    run: &'a Run,
    meanwhile: Mutex<(Vec<Change>, Option<Blow>)>,
}

impl Source for Turn<'_> {
    async fn identity(&self) -> Result<Option<Identity>, store::Error> {
        self.run.world.identity().await
    }

    async fn positions(&self) -> Result<Vec<(u16, Position)>, store::Error> {
        self.run.world.positions().await
    }

    async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), store::Error> {
        let (mut before, blow) = mem::take(&mut *self.meanwhile.lock().unwrap());
        let after = before.split_off(before.len() / 2);
        for change in before {
            self.run.commit(&change).await;
        }
        let read = self.run.world.standings(partition).await;
        for change in after {
            self.run.commit(&change).await;
        }
        if let Some(blow) = blow {
            self.run.blow(blow).await;
        }
        read
    }
}

fn a_history(kind: Kind, events: Vec<Event>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut run = Run::new(kind);
        for event in events {
            run.happen(event).await;
            run.check().await;
        }
        // The ranks recover from whatever they missed; projections behind a gap need one more turn.
        run.arrive(false).await;
        for _ in 0..3 {
            for process in 0..run.world.processes.len() {
                run.world.pass(2_001);
                run.rebuild(process, &[], None).await;
            }
        }
        for process in 0..run.world.processes.len() {
            run.world.says_all(process).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_rank_is_that_of_a_full_sort_or_is_not_said(events in events()) {
        for kind in KINDS {
            a_history(kind, events.clone());
        }
    }
}
