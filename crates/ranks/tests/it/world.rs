//! A store of positions and standings only, and ranks that its commits are projected to.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use game::Standing;
use ranks::{Ranks, RebuildError, Source};
use servers::redis;
use store::{Identity, Position};
use tokio_util::sync::CancellationToken;

use super::{NOW_MS, at, sorted, standing, timeout};

/// The number of the next process.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Where ranks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Local,
    Redis,
}

/// Both kinds.
pub(super) const KINDS: [Kind; 2] = [Kind::Local, Kind::Redis];

/// A commit, as projected.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) partition: u16,
    from: Position,
    to: Position,
    changed: Vec<Standing>,
}

#[derive(Debug, Clone)]
struct Partition {
    position: Position,
    players: BTreeMap<String, Standing>,
}

/// The part of the store that ranks use.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    inbox_id: String,
    partitions: Vec<Partition>,
}

/// A store and its processes, each with its own ranks handle.
pub(super) struct World {
    pub(super) processes: Vec<Ranks>,
    /// The URL of Redis.
    pub(super) url: String,
    /// The database; `None` if another world owns it.
    _database: Option<redis::Database>,
    store: Mutex<Copy>,
    now_ms: Mutex<i64>,
}

impl World {
    /// A store without players, and one process.
    pub(super) fn new(kind: Kind, partitions: u16) -> Self {
        match kind {
            Kind::Local => Self::at(String::new(), partitions),
            Kind::Redis => {
                let database = redis::database();
                let url = database.url().to_owned();
                Self::on(database, url, partitions)
            }
        }
    }

    /// The same with a database that is reached at this URL.
    pub(super) fn on(database: redis::Database, url: String, partitions: u16) -> Self {
        Self { _database: Some(database), ..Self::at(url, partitions) }
    }

    /// The same with ranks at this URL; ranks in process if it is empty.
    pub(super) fn at(url: String, partitions: u16) -> Self {
        let partition = Partition { position: at(0), players: BTreeMap::new() };
        let partitions = vec![partition; usize::from(partitions)];
        let store = Mutex::new(Copy { inbox_id: "inbox-1".into(), partitions });
        let now_ms = Mutex::new(NOW_MS);
        let mut world = Self { processes: Vec::new(), url, _database: None, store, now_ms };
        world.processes.push(world.process());
        world
    }

    /// The ranks handle of another process, with a new process number.
    pub(super) fn process(&self) -> Ranks {
        let partitions = u16::try_from(self.store.lock().unwrap().partitions.len()).unwrap();
        if self.url.is_empty() {
            Ranks::local(partitions)
        } else {
            Ranks::redis(&self.url, partitions)
                .unwrap()
                .rebuilding_as(NUMBERS.fetch_add(1, Ordering::Relaxed))
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        *self.now_ms.lock().unwrap()
    }

    pub(super) fn pass(&self, ms: i64) {
        *self.now_ms.lock().unwrap() += ms;
    }

    /// Commits a few messages at once; these players now have these scores.
    pub(super) fn commit<N: AsRef<str>>(&self, partition: u16, changes: &[(N, u64)]) -> Commit {
        self.pass(1);
        let now_ms = self.now_ms();
        let mut store = self.store.lock().unwrap();
        let state = &mut store.partitions[usize::from(partition)];
        let from = state.position;
        let to = Position { sequence: from.sequence + 1 + u128::from(partition), ..from };
        state.position = to;
        let mut changed = Vec::new();
        for (name, score) in changes {
            let standing = standing(name.as_ref(), *score, now_ms);
            state.players.insert(name.as_ref().to_owned(), standing.clone());
            changed.push(standing);
        }
        Commit { partition, from, to, changed }
    }

    /// Commits these standings.
    pub(super) fn commit_standings(&self, partition: u16, changed: Vec<Standing>) -> Commit {
        let mut commit = self.commit::<&str>(partition, &[]);
        let mut store = self.store.lock().unwrap();
        let players = &mut store.partitions[usize::from(partition)].players;
        players
            .extend(changed.iter().map(|standing| (standing.username.as_str().to_owned(), standing.clone())));
        commit.changed = changed;
        commit
    }

    /// Projects a commit in a process.
    pub(super) fn project(&self, process: usize, Commit { partition, from, to, changed }: Commit) {
        self.processes[process].project(partition, from, to, changed);
    }

    /// Projects a commit in a process, and delivers it.
    pub(super) async fn project_now(&self, process: usize, commit: Commit) {
        self.project(process, commit);
        self.deliver(process).await;
    }

    /// Delivers pending projections.
    pub(super) async fn deliver(&self, process: usize) {
        let stopped = CancellationToken::new();
        stopped.cancel();
        self.processes[process].run(stopped).await;
    }

    pub(super) async fn rebuild(&self, process: usize) {
        self.try_rebuild(process).await.unwrap();
    }

    pub(super) async fn try_rebuild(&self, process: usize) -> Result<(), RebuildError> {
        self.processes[process].rebuild_stale(self, self.now_ms()).await
    }

    pub(super) fn all_positions(&self) -> Vec<(u16, Position)> {
        (0..).zip(self.store.lock().unwrap().partitions.iter().map(|state| state.position)).collect()
    }

    /// All players with their exact ranks.
    pub(super) fn truth(&self) -> Vec<(Standing, u64)> {
        let store = self.store.lock().unwrap();
        sorted(store.partitions.iter().flat_map(|state| state.players.values().cloned()).collect())
    }

    /// The rank that a process returns for the current standing in the store.
    pub(super) async fn rank(&self, process: usize, standing: &Standing) -> Option<u64> {
        self.processes[process].rank(standing, &self.all_positions(), self.now_ms()).await
    }

    /// Waits until a process returns a rank.
    pub(super) async fn says(&self, process: usize, standing: &Standing) -> u64 {
        timeout(async {
            loop {
                if let Some(rank) = self.rank(process, standing).await {
                    return rank;
                }
            }
        })
        .await
    }

    /// Whether a process returns a rank for every player. Each rank returned must be exact.
    pub(super) async fn is_exact(&self, process: usize) -> bool {
        let mut exact = true;
        for (standing, rank) in self.truth() {
            let said = self.rank(process, &standing).await;
            assert_eq!(said.unwrap_or(rank), rank, "{standing:?} at {:?}", self.url);
            exact &= said.is_some();
        }
        exact
    }

    /// Checks that a process returns every player's rank. A busy machine may need several tries: a rank that takes more
    /// than 100 ms is not returned.
    pub(super) async fn says_all(&self, process: usize) {
        timeout(async { while !self.is_exact(process).await {} }).await;
    }

    /// Checks that a process returns no rank.
    pub(super) async fn says_nothing(&self, process: usize) {
        for (standing, _) in self.truth() {
            assert_eq!(self.rank(process, &standing).await, None, "{standing:?} at {:?}", self.url);
        }
    }

    /// A copy of the store.
    pub(super) fn copy(&self) -> Copy {
        self.store.lock().unwrap().clone()
    }

    /// Replaces the store with this copy.
    pub(super) fn restore(&self, copy: Copy) {
        *self.store.lock().unwrap() = copy;
    }

    /// The game continues with another inbox.
    pub(super) fn adopt(&self, inbox_id: &str) {
        let mut store = self.store.lock().unwrap();
        inbox_id.clone_into(&mut store.inbox_id);
        for state in &mut store.partitions {
            state.position = Position { generation: state.position.generation + 1, sequence: 0 };
        }
    }
}

impl Source for World {
    async fn identity(&self) -> Result<Option<Identity>, store::Error> {
        let store = self.store.lock().unwrap();
        let generation = store.partitions[0].position.generation;
        let partitions = u16::try_from(store.partitions.len()).unwrap();
        Ok(Some(Identity { generation, inbox_id: store.inbox_id.clone(), partitions }))
    }

    async fn positions(&self) -> Result<Vec<(u16, Position)>, store::Error> {
        Ok(self.all_positions())
    }

    async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), store::Error> {
        let store = self.store.lock().unwrap();
        let state = &store.partitions[usize::from(partition)];
        Ok((state.position, state.players.values().cloned().collect()))
    }
}
