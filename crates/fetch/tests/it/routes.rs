//! The read routes over a real store.

mod players;
mod refusals;
mod rules;
mod top;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use fetch::FetchState;
use game::{
    Action, Add, DisplayName, Level, Player, Powerup, PowerupKind, PurchaseId, Round, Standing, Username,
    partition_of,
};
use ledger::{Ledger, Span};
use ranks::Ranks;
use serde_json::Value;
use serve::Auth;
use store::{Memory, Options, Position, Reader, Schedule, Scheduled, Stage, Store};
use tempfile::TempDir;
use tower::ServiceExt;

const NOW_MS: i64 = 1_800_000_000_000;
const PARTITIONS: u16 = 2;

/// A game with its read routes, and the clock that they use.
struct Bench {
    ledger: Ledger,
    reader: Reader,
    schedule: Schedule,
    ranks: Arc<Ranks>,
    now_ms: Arc<AtomicI64>,
    _folder: TempDir,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Bench {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::sqlite(&folder.path().join("game.sqlite"), Options::default());
        store.migrate().await.unwrap();
        let ledger = store.ledger().await.unwrap();
        ledger.settle_identity("inbox", PARTITIONS, NOW_MS).await.unwrap();
        Self {
            ledger,
            reader: store.reader().await.unwrap(),
            schedule: store.schedule().await.unwrap(),
            ranks: Arc::new(Ranks::local(PARTITIONS)),
            now_ms: Arc::new(AtomicI64::new(NOW_MS)),
            _folder: folder,
        }
    }

    fn go_to(&self, at_ms: i64) {
        self.now_ms.store(at_ms, Ordering::SeqCst);
    }

    fn state(&self, ranks: Option<Arc<Ranks>>) -> FetchState {
        let now_ms = Arc::clone(&self.now_ms);
        let now_ms = Arc::new(move || now_ms.load(Ordering::SeqCst));
        FetchState { reader: self.reader.clone(), ranks, partitions: PARTITIONS, auth: Auth::Open, now_ms }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(Some(Arc::clone(&self.ranks)), path).await
    }

    async fn get_with(&self, ranks: Option<Arc<Ranks>>, path: &str) -> Answer {
        let router: Router = fetch::routes().with_state(self.state(ranks)).into_router();
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// The response of `/fetch/self` for this player.
    async fn me(&self, name: &str) -> Value {
        let answer = self.get(&format!("/fetch/self?username={name}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        answer.json()
    }

    /// Applies commands in one partition and projects the changes into the ranks, like a handler in the same process.
    async fn apply_in(&self, partition: u16, commands: &[(i64, Action)], prepare: impl Fn(&mut Player)) {
        let names: Vec<_> = commands.iter().filter_map(|(_, action)| action.username().cloned()).collect();
        let mut connection = self.ledger.acquire().await.unwrap();
        let mut read = connection.read(partition).await.unwrap();
        let from = read.position();
        let mut batch = Memory::default().load(&mut read, &names, &[]).await.unwrap();
        read.end().await.unwrap();
        let world = &mut batch.world;
        for (at_ms, action) in commands {
            world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
        }
        world.players.values_mut().for_each(prepare);
        let span = Span { partition, from, to: Position { sequence: from.sequence + 1, ..from } };
        let mut write = connection.write(span, world.applied_through_ms).await.unwrap().unwrap();
        store::save(&mut write, &mut batch, &[]).await.unwrap();
        write.commit(&[]).await.unwrap();
        let changed =
            batch.world.changed().map(|(username, player)| Standing::of(username, player)).collect();
        self.ranks.project(partition, from, span.to, changed);
    }

    /// Applies a player's command in the player's partition.
    async fn apply(&self, at_ms: i64, action: Action) {
        let partition = partition_of(action.username().unwrap().as_str(), PARTITIONS);
        self.apply_in(partition, &[(at_ms, action)], |_| {}).await;
    }

    async fn everywhere(&self, action: &Action) {
        for partition in 0..PARTITIONS {
            self.apply_in(partition, &[(NOW_MS, action.clone())], |_| {}).await;
        }
    }

    /// Adds a player with this score.
    async fn join(&self, name: &str, score: u64) {
        let partition = partition_of(name, PARTITIONS);
        self.apply_in(partition, &[(NOW_MS, add(name, None))], |player| player.score = score).await;
    }

    /// Announces a round in every partition.
    async fn announce(&self, round: Round) {
        self.everywhere(&Action::Announce(round)).await;
        let row = Scheduled { round, by_operator: false, stage: Stage::Announcing, ticks_sent: 0 };
        self.schedule.insert_if_absent(&row).await.unwrap();
        assert!(self.schedule.announced(round.id).await.unwrap());
    }

    /// Rebuilds the ranks; they are exact afterwards.
    async fn rebuild(&self) {
        self.ranks.rebuild_stale(&self.reader, self.now_ms.load(Ordering::SeqCst)).await.unwrap();
    }
}

fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

fn add(name: &str, shown: Option<&str>) -> Action {
    let shown = shown.map(|shown| DisplayName::new(shown).unwrap());
    Action::Add(Add { username: user(name), name: shown, platform: None, token: None })
}

fn press(name: &str) -> Action {
    Action::Press { username: user(name) }
}

fn buy(name: &str, id: &str, kind: PowerupKind, level: Level) -> Action {
    Action::Buy { username: user(name), id: PurchaseId::new(id).unwrap(), powerup: Powerup { kind, level } }
}

/// A round of 100 s with 10 s of grace.
fn round(id: u64, opens_at_ms: i64) -> Round {
    Round::new(id, opens_at_ms, 100_000, 10_000).unwrap()
}
