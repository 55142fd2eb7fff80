//! A fresh database for each check, and shorthands to fill it.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use game::{
    Action, Add, DisplayName, Effect, KnownRound, Level, Outcome, Player, Powerup, PowerupKind, PurchaseId,
    Round, Stamps, Standing, Token, Username, World,
};
use ledger::{Committed, JournalRow, Ledger, Span};
use servers::postgres::{Database, Server};
use store::{Batch, Error, Identity, Memory, Options, OutboxRow, Position, State, Store, save};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
pub(crate) const INBOX: &str = "inbox-1";
const HOUR_MS: i64 = 3_600_000;
/// Longer than any operation that a test waits for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// The file of an SQLite database in its folder.
const FILE: &str = "game.sqlite";

/// The backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Location of a database.
enum Place {
    File(TempDir),
    Server(Database),
}

/// A database without a schema; an SQLite file does not exist yet.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) backend: Backend,
    place: Place,
}

impl Fresh {
    pub(crate) async fn new(backend: Backend) -> Self {
        // With a single connection: a dropped commit ends before the connection is used again.
        Self::with(backend, Options { writers: 1, ..Options::default() }).await
    }

    pub(crate) async fn with(backend: Backend, options: Options) -> Self {
        let (store, place) = match backend {
            Backend::Sqlite => {
                let folder = TempDir::new().unwrap();
                (Store::sqlite(&folder.path().join(FILE), options), Place::File(folder))
            }
            Backend::Postgres => {
                let database = servers::postgres::server().await.database().await;
                (Store::postgres(&database.url(), options).unwrap(), Place::Server(database))
            }
        };
        Self { store, backend, place }
    }

    /// A database of this server.
    pub(crate) async fn of(server: &Server) -> Self {
        let database = server.database().await;
        let store = Store::postgres(&database.url(), Options::default()).unwrap();
        Self { store, backend: Backend::Postgres, place: Place::Server(database) }
    }

    /// A second database like this one.
    pub(crate) async fn another(&self) -> Self {
        Self::new(self.backend).await
    }

    /// The database on the server.
    pub(crate) fn database(&self) -> &Database {
        match &self.place {
            Place::File(_) => panic!("the database is a file"),
            Place::Server(database) => database,
        }
    }

    /// Executes a statement past the store.
    pub(crate) async fn execute(&self, statement: &'static str) {
        use sqlx::{ConnectOptions as _, Connection as _};
        match &self.place {
            Place::File(folder) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join(FILE));
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Place::Server(database) => database.execute(statement).await,
        }
    }

    /// Creates the database, with a game of this many partitions, and opens its writer.
    pub(crate) async fn game(&self, partitions: u16) -> Writer {
        self.store.migrate().await.unwrap();
        let writer = Writer::open(&self.store).await.unwrap();
        let identity = writer.settle_identity(INBOX, partitions, NOW_MS).await.unwrap();
        assert_eq!(identity, Identity { generation: 1, inbox_id: INBOX.into(), partitions });
        writer
    }

    pub(crate) async fn state(&self) -> State {
        let reader = self.store.reader().await.unwrap();
        let state = reader.audit().await.unwrap().state().await.unwrap();
        reader.close().await;
        state
    }

    /// All tables, as read through the public interface.
    pub(crate) async fn everything(&self) -> String {
        let reader = self.store.reader().await.unwrap();
        let mut audit = reader.audit().await.unwrap();
        let positions = audit.positions().await.unwrap();
        let mut journal = Vec::new();
        for (partition, _) in &positions {
            journal.extend(audit.journal(*partition, Position::default(), 1000).await.unwrap());
        }
        let state = audit.state().await.unwrap();
        let (identity, counts) = (reader.identity().await.unwrap(), reader.counts().await.unwrap());
        let top = reader.top(100).await.unwrap();
        format!("{positions:?} {journal:?} {state:?} {identity:?} {counts:?} {top:?}")
    }
}

pub(crate) fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

pub(crate) fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

pub(crate) fn add(name: &str) -> Action {
    Action::Add(Add { username: user(name), name: None, platform: None, token: None })
}

pub(crate) fn add_named(name: &str, shown: &str) -> Action {
    let shown = Some(DisplayName::new(shown).unwrap());
    Action::Add(Add { username: user(name), name: shown, platform: None, token: None })
}

pub(crate) fn add_device(name: &str, device: &str) -> Action {
    Action::Add(Add { username: user(name), name: None, platform: None, token: Some(token(device)) })
}

pub(crate) fn press(name: &str) -> Action {
    Action::Press { username: user(name) }
}

pub(crate) fn buy(name: &str, id: &str, kind: PowerupKind, level: Level) -> Action {
    Action::Buy { username: user(name), id: PurchaseId::new(id).unwrap(), powerup: Powerup { kind, level } }
}

/// An outbox row that is due at once.
pub(crate) fn pushed(topic: &str) -> OutboxRow {
    let payload = format!("payload of {topic}");
    OutboxRow { topic: topic.into(), payload, due_at_ms: NOW_MS, expires_at_ms: NOW_MS + 1 }
}

/// The nth round of a test: 100 s and 10 s of grace, opening at n hours.
pub(crate) fn round(n: u64) -> Round {
    Round::new(n, NOW_MS + i64::try_from(n).unwrap() * HOUR_MS, 100_000, 10_000).unwrap()
}

/// The same, as a partition knows it after an announcement in time.
pub(crate) fn in_time(n: u64) -> KnownRound {
    KnownRound { round: round(n), late: false }
}

pub(crate) fn player(score: u64) -> Player {
    Player {
        name: None,
        platform: None,
        added_at_ms: NOW_MS,
        score,
        streak: 0,
        reached_at_ms: NOW_MS,
        settled_round: 0,
        pressed_round: 0,
        fixed_round: 0,
        fixed_extender: Round::BASE_HALVES,
        freeze: None,
        multiplier: None,
        extender: None,
        last_press: None,
        last_purchase: None,
    }
}

pub(crate) fn effect(level: Level) -> Option<Effect> {
    let from_ms = NOW_MS + i64::from(level.number());
    Some(Effect { level, from_ms, until_ms: from_ms + HOUR_MS })
}

/// A handler's access to a database, one step at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    ledger: Ledger,
    memory: Memory,
    /// Batches that were loaded and not written yet.
    read: Mutex<HashMap<u16, (Position, Batch)>>,
}

/// A loaded batch, and the position of its partition at that time.
#[derive(Debug)]
pub(crate) struct Prefetched {
    pub(crate) from: Position,
    pub(crate) world: World,
}

/// The data that one batch writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit<'a> {
    pub(crate) partition: u16,
    pub(crate) from: Position,
    pub(crate) to: Position,
    pub(crate) world: &'a World,
    pub(crate) journal: &'a [JournalRow<'a>],
    pub(crate) outbox: &'a [OutboxRow],
}

impl Deref for Writer {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl Writer {
    pub(crate) async fn open(store: &Store) -> Result<Self, Error> {
        let ledger = store.ledger().await?;
        Ok(Self { ledger, memory: Memory::default(), read: Mutex::default() })
    }

    pub(crate) async fn prefetch(
        &self,
        partition: u16,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Prefetched, Error> {
        let mut connection = self.ledger.acquire().await?;
        let loading = async {
            let mut read = connection.read(partition).await?;
            let from = read.position();
            let batch = self.memory.load(&mut read, usernames, purchases).await?;
            read.end().await?;
            Ok((from, batch))
        };
        let loaded = self.ledger.timeout(loading).await;
        let (from, batch) = connection.release(loaded)?;
        let world = batch.world.clone();
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, (from, batch));
        Ok(Prefetched { from, world })
    }

    pub(crate) async fn commit(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, false).await
    }

    pub(crate) async fn rehearse(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, true).await
    }

    async fn write(&self, commit: Commit<'_>, rehearse: bool) -> Result<Committed, Error> {
        let Commit { partition, from, to, world, journal, outbox } = commit;
        let span = Span { partition, from, to };
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
        let read = read.filter(|(position, _)| *position == from);
        let mut batch = read.map(|(_, batch)| batch).unwrap_or_default();
        batch.world = world.clone();
        let mut connection = self.ledger.acquire().await?;
        let writing = async {
            let Some(mut write) = connection.write(span, world.applied_through_ms).await? else {
                return Ok(Committed::Fenced);
            };
            save(&mut write, &mut batch, outbox).await?;
            if rehearse {
                write.rehearse(journal).await?;
            } else {
                write.commit(journal).await?;
            }
            Ok(Committed::Done)
        };
        let written = self.ledger.timeout(writing).await;
        let committed = connection.release(written)?;
        if committed == Committed::Done && !rehearse {
            self.memory.keep(span, batch);
        }
        Ok(committed)
    }

    pub(crate) async fn repartition(
        &self,
        inbox_id: &str,
        partitions: u16,
        sequence: u128,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        store::repartition(&self.ledger, inbox_id, partitions, sequence, now_ms).await
    }
}

/// Loads what these commands need.
pub(crate) async fn prefetch(writer: &Writer, partition: u16, commands: &[(i64, Action)]) -> Prefetched {
    let names: HashSet<Username> =
        commands.iter().filter_map(|(_, action)| action.username().cloned()).collect();
    let purchases: HashSet<(Username, PurchaseId)> = commands
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Buy { username, id, .. } => Some((username.clone(), id.clone())),
            _ => None,
        })
        .collect();
    let (names, purchases) = (Vec::from_iter(names), Vec::from_iter(purchases));
    writer.prefetch(partition, &names, &purchases).await.unwrap()
}

/// Commits a world, one message further.
pub(crate) async fn commit(
    writer: &Writer,
    partition: u16,
    from: Position,
    world: &World,
    outbox: &[OutboxRow],
) -> Committed {
    let to = Position { sequence: from.sequence + 1, ..from };
    let body = format!("message {}", to.sequence);
    let journal = [JournalRow { sequence: to.sequence, stored_at_ms: NOW_MS, body: &body, buried: &[] }];
    writer.commit(Commit { partition, from, to, world, journal: &journal, outbox }).await.unwrap()
}

/// Applies commands as one batch, as the handler does. Skips invalid commands.
pub(crate) async fn run(writer: &Writer, partition: u16, commands: &[(i64, Action)]) -> Vec<Outcome> {
    let Prefetched { from, mut world } = prefetch(writer, partition, commands).await;
    let applied =
        commands.iter().filter_map(|(at_ms, action)| world.apply(Stamps::of_arrival(*at_ms), action).ok());
    let outcomes = applied.collect();
    assert_eq!(commit(writer, partition, from, &world, &[]).await, Committed::Done);
    outcomes
}

/// Announces a round to a partition, in a message with this storage time.
pub(crate) async fn announce(writer: &Writer, partition: u16, round: Round, stored_at_ms: i64) {
    let Prefetched { from, mut world } = prefetch(writer, partition, &[]).await;
    let stamps = Stamps { arrived_at_ms: NOW_MS, stored_at_ms: Some(stored_at_ms) };
    world.apply(stamps, &Action::Announce(round)).unwrap();
    assert_eq!(commit(writer, partition, from, &world, &[]).await, Committed::Done);
}

/// Inserts players into a partition.
pub(crate) async fn seed(writer: &Writer, partition: u16, players: &[(Username, Player)]) {
    let names: Vec<Username> = players.iter().map(|(username, _)| username.clone()).collect();
    let Prefetched { from, mut world } = writer.prefetch(partition, &names, &[]).await.unwrap();
    for (username, player) in players {
        let before = world.players.insert(username.clone(), player.clone());
        let before = before.map(|before| Standing::of(username, &before));
        world.changes.players.insert(username.clone(), before);
    }
    assert_eq!(commit(writer, partition, from, &world, &[]).await, Committed::Done);
}

/// Retries until the checks pass.
pub(crate) async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !look().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(DEADLINE, looking).await.is_ok(), "not in time: {what}");
}
