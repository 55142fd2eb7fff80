//! Two processes of every role on one inbox, one store and one board. Files allow only one machine, so this runs on
//! services only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use game::{Username, partition_of};
use serde_json::json;
use tokio::task::JoinSet;

use crate::crowd::{Address, Phone, Sent, assert_kept, counts, named};
use crate::live::listener::Listener;
use crate::place::{Place, Stack};
use crate::support::{BY_HAND, Game, alone, beside_others, eventually, full, now_ms, with_auth};

const PARTITIONS: u16 = 8;
/// How often a handler is killed, or made to stand still, each in its turn: wholly, and in short.
const TURNS: (usize, usize) = (3, 2);
/// Phones at work at the same time; every other one is at the other ingest node.
const PHONES: usize = 12;
/// Prefix of the names of players who join to check that a partition makes progress.
const PROBE: &str = "probe-";
/// Maximum time of a take-over beyond the visibility, in milliseconds: an empty receive in progress, and a busy
/// machine.
const TAKE_OVER_MS: i64 = 3_000;

fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", "8")]).collect()
}

/// Two processes of every role.
struct Fleet {
    place: Place,
    ingest: [Game; 2],
    handlers: [Game; 2],
    schedulers: [Game; 2],
    fetch: [Game; 2],
}

async fn two(place: &Place, role: &str) -> [Game; 2] {
    let settings = settings();
    [Game::start(place, role, &settings).await, Game::start(place, role, &settings).await]
}

impl Fleet {
    async fn start() -> Self {
        let place = Place::quick(Stack::Services).await;
        let (ingest, handlers) = (two(&place, "ingest").await, two(&place, "handler").await);
        let (schedulers, fetch) = (two(&place, "scheduler").await, two(&place, "fetch").await);
        Self { place, ingest, handlers, schedulers, fetch }
    }

    /// Adds a player in each partition and waits until all of them show. Returns how long the last one took, in
    /// milliseconds.
    async fn every_partition_goes_on(&self, turn: usize) -> i64 {
        let begun_ms = now_ms();
        for username in (0..PARTITIONS).map(|partition| player_of(partition, turn)) {
            self.ingest[turn % 2].add(&username).await;
        }
        for username in (0..PARTITIONS).map(|partition| player_of(partition, turn)) {
            self.fetch[turn % 2].player(&username, |_| true).await;
        }
        now_ms() - begun_ms
    }

    /// Waits until everything is applied, stops all processes, and verifies the store.
    async fn stop(self) -> Place {
        self.place.drained().await;
        for process in [self.ingest, self.handlers, self.schedulers, self.fetch].into_iter().flatten() {
            assert!(process.stop().await.success());
        }
        self.place.assert_verified(&settings()).await;
        self.place
    }

    /// Stops all processes, and compares the phones' answers with the final state of the game.
    async fn settle(self, sent: &[Sent]) {
        println!("{:?}", counts(sent));
        let place = self.stop().await;
        // `journal` asserts that no id is there twice.
        let mut journal = place.journal().await;
        let is_probe = |username: &Username| username.as_str().starts_with(PROBE);
        journal.retain(|applied| !applied.action.username().is_some_and(is_probe));
        assert_kept(sent, &journal);
    }
}

/// A username of this partition.
fn player_of(partition: u16, turn: usize) -> String {
    let mut all = (0..).map(|number| format!("{PROBE}{turn}-{number}"));
    all.find(|username| partition_of(username, PARTITIONS) == partition).unwrap()
}

/// Phones that add players and press, one request after another, on both ingest nodes. Each waits for the outcome of
/// its press, so that there is always work but never a backlog.
struct Load {
    addresses: [Address; 2],
    over: Arc<AtomicBool>,
    phones: JoinSet<Phone>,
}

impl Load {
    fn start(fleet: &Fleet) -> Self {
        let addresses = fleet.ingest.each_ref().map(|ingest| Address::new(&ingest.url));
        let over = Arc::new(AtomicBool::new(false));
        let phones = (0..PHONES)
            .map(|number| {
                let fetch = Address::new(&fleet.fetch[number % 2].url).phone();
                work(addresses[number % 2].phone(), fetch, number, Arc::clone(&over))
            })
            .collect();
        Self { addresses, over, phones }
    }

    fn taken(&self) -> usize {
        self.addresses.iter().map(Address::taken).sum()
    }

    /// Lets the phones run for a while.
    async fn work(&self) {
        let until = self.taken() + 10 * PHONES;
        eventually("the load goes on", || async { (self.taken() >= until).then_some(()) }).await;
    }

    async fn stop(self) -> Vec<Sent> {
        self.over.store(true, Ordering::Relaxed);
        self.phones.join_all().await.into_iter().flat_map(|phone| phone.sent).collect()
    }
}

async fn work(mut phone: Phone, fetch: Phone, number: usize, over: Arc<AtomicBool>) -> Phone {
    for turn in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let username = format!("{number}-{turn}");
        phone.until_taken("add", &named(&username), None).await;
        phone.until_taken("press", &named(&username), None).await;
        let path = format!("/fetch/self?username={username}");
        eventually("the press is judged", || async {
            let (status, player) = fetch.get(&path).await;
            (status == 200 && player["last_press"].is_object()).then_some(())
        })
        .await;
    }
    phone
}

#[tokio::test]
async fn a_killed_handlers_partitions_are_taken_over_within_the_visibility() {
    let _alone = alone().await;
    let mut fleet = Fleet::start().await;
    fleet.ingest[0].open_round().await;
    let load = Load::start(&fleet);
    for handler in &fleet.handlers {
        eventually("both have a share", || async { (applied_by(handler).await > 0.0).then_some(()) }).await;
    }
    for turn in 0..full(TURNS.0, TURNS.1) {
        let next = Game::start(&fleet.place, "handler", &settings()).await;
        let other = std::mem::replace(&mut fleet.handlers[turn % 2], next);
        other.kill().await;
        let took_ms = fleet.every_partition_goes_on(turn).await;
        let limit_ms = i64::from(Stack::Services.quick_ms()) + TAKE_OVER_MS;
        println!("taken over after {took_ms} ms");
        assert!(took_ms <= limit_ms, "{took_ms} ms is more than {limit_ms} ms");
        load.work().await;
    }
    fleet.settle(&load.stop().await).await;
}

#[tokio::test]
async fn a_handler_that_stood_still_beyond_its_visibility_applies_nothing_twice() {
    let _alone = alone().await;
    let fleet = Fleet::start().await;
    fleet.ingest[0].open_round().await;
    let load = Load::start(&fleet);
    for turn in 0..full(TURNS.0, TURNS.1) {
        load.work().await;
        let handler = &fleet.handlers[turn % 2];
        let still_ms = now_ms();
        handler.signal("STOP");
        // The other handler takes everything over, and continues while the first still believes that it holds its
        // partitions.
        fleet.every_partition_goes_on(turn).await;
        handler.wait_until(still_ms + i64::from(Stack::Services.quick_ms()) + 100).await;
        load.work().await;
        handler.signal("CONT");
        let before = applied_by(handler).await;
        eventually("it has its share again", || async { (applied_by(handler).await > before).then_some(()) })
            .await;
    }
    fleet.settle(&load.stop().await).await;
}

/// Number of commands that a handler has applied.
async fn applied_by(handler: &Game) -> f64 {
    handler.metric("buttonparty_outcomes_total").await
}

#[tokio::test]
async fn both_readers_tell_the_same_in_time() {
    let _beside = beside_others().await;
    let fleet = Fleet::start().await;
    let players: Vec<_> = (0..24).map(|number| format!("player-{number:02}")).collect();
    for (number, username) in players.iter().enumerate() {
        fleet.ingest[number % 2].add(username).await;
    }
    let mut listeners = [Listener::connect(&fleet.fetch[0]).await, Listener::connect(&fleet.fetch[1]).await];
    let round = fleet.ingest[1].announce_round(1_000).await;
    for listener in &mut listeners {
        let told = listener.until(|told| told.topic == "round").await;
        assert_eq!((&told.data["state"], &told.data["opens_at"]), (&json!("open"), &round["opens_at"]));
    }
    // The earlier press ranks first, then the lesser username.
    let presses = players.iter().enumerate().map(async |(number, username)| {
        let told = fleet.ingest[number % 2].press(username).await;
        (told["arrived_at"].as_i64().unwrap(), username.as_str())
    });
    let mut arrived = futures_util::future::join_all(presses).await;
    arrived.sort_unstable();
    for (rank, (_, username)) in (1..).zip(&arrived) {
        for fetch in &fleet.fetch {
            fetch.player(username, |player| player["rank"] == rank && player["score"] == 1).await;
        }
    }
    let (_, board) = fleet.fetch[0].get("/fetch/lb?limit=100").await;
    assert_eq!(fleet.fetch[1].get("/fetch/lb?limit=100").await.1, board);
    let first_ten = json!(&board.as_array().unwrap()[..10]);
    for listener in &mut listeners {
        listener.until(|told| told.topic == "board" && told.data == first_ten).await;
    }
    fleet.stop().await;
}
