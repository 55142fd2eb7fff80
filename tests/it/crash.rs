//! kill -9 under load: a command answered with 202 counts exactly once, with 4xx never, and any other at most once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use game::{Action, PurchaseOutcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::crowd::{Address, Phone, Sent, assert_kept, counts, kind, named};
use crate::place::Stack::{self, Embedded, Services};
use crate::place::{Applied, GAME, INBOX, Place, assert_intact};
use crate::support::{Game, alone, eventually, full, now_ms};

/// How often the whole process is killed: full run, short run.
const KILLS: (usize, usize) = (20, 6);
/// How often the handler alone is killed: full run, short run.
const HANDLER_KILLS: (usize, usize) = (15, 5);
/// Number of concurrent phones; every fourth is of the same kind.
const PHONES: usize = 32;
/// Maximum number of accepted commands between a start and the next kill.
const TAKEN_MAX: usize = 1_500;
/// Earlier rounds that the buyers pressed in: enough points for all their purchases.
const PAST_ROUNDS: u64 = 60;
/// Price of the cheapest level.
const PRICE: u64 = 60;
/// One round that stays open for the whole test.
const SETTINGS: [(&str, &str); 7] = [
    ("AUTH", "open"),
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "600000"),
    ("GRACE_MS", "1000"),
    ("ROUND_GAP_MS", "3005001"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
    ("PARTITIONS", "4"),
];
const PARTITIONS: u16 = 4;
/// A key that is rejected for every purchase.
const BAD_KEY: &str = "two words";

#[rstest]
#[tokio::test]
async fn what_was_taken_counts_once_through_kills(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let mut dice = dice();
    let place = Place::quick(stack).await;
    let points = place.put_past(PARTITIONS, &buyers(), PAST_ROUNDS).await;
    let mut game = Game::start(&place, "all", &SETTINGS).await;
    game.open_round().await;
    let load = Load::start(&game);
    let kills = full(KILLS.0, KILLS.1);
    for _ in 0..kills {
        load.work(&mut dice).await;
        game.kill().await;
        assert_intact_as_left(&place).await;
        game = Game::start(&place, "all", &SETTINGS).await;
        load.address.moved(&game.url);
    }
    let sent = load.stop().await;
    place.drained().await;
    assert!(game.stop().await.success());
    let counts = counts(&sent);
    println!("{counts:?}");
    assert!(counts["no answer"] >= kills, "each kill hit somebody: {counts:?}");
    assert_settled(&place, &sent, points).await;
}

#[rstest]
#[tokio::test]
async fn a_handler_that_is_killed_loses_and_doubles_nothing(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let mut dice = dice();
    let place = Place::quick(stack).await;
    let points = place.put_past(PARTITIONS, &buyers(), PAST_ROUNDS).await;
    let game = Game::start(&place, "ingest", &SETTINGS).await;
    let mut handler = Game::start(&place, "handler", &SETTINGS).await;
    game.open_round().await;
    let load = Load::start(&game);
    for _ in 0..full(HANDLER_KILLS.0, HANDLER_KILLS.1) {
        load.work(&mut dice).await;
        handler.kill().await;
        handler = Game::start(&place, "handler", &SETTINGS).await;
    }
    let sent = load.stop().await;
    place.drained().await;
    assert!(game.stop().await.success() && handler.stop().await.success());
    let counts = counts(&sent);
    println!("{counts:?}");
    assert!(!counts.contains_key("no answer") && !counts.contains_key("503"), "{counts:?}");
    assert_settled(&place, &sent, points).await;
}

fn dice() -> StdRng {
    let seed = now_ms().unsigned_abs();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

fn buyers() -> Vec<String> {
    (0..PHONES).map(|number| format!("buyer-{number}")).collect()
}

/// Running phones.
struct Load {
    address: Address,
    over: Arc<AtomicBool>,
    phones: JoinSet<Phone>,
}

impl Load {
    fn start(game: &Game) -> Self {
        let (address, over) = (Address::new(&game.url), Arc::new(AtomicBool::new(false)));
        let phones = (0..PHONES).map(|number| work(address.phone(), number, Arc::clone(&over))).collect();
        Self { address, over, phones }
    }

    /// Lets the phones run for a random time.
    async fn work(&self, dice: &mut StdRng) {
        let until = self.address.taken() + dice.random_range(1..TAKEN_MAX);
        eventually("the load goes on", || async { (self.address.taken() >= until).then_some(()) }).await;
        sleep(Duration::from_micros(dice.random_range(0..20_000))).await;
    }

    /// Stops every phone after its current request; returns everything that they sent.
    async fn stop(self) -> Vec<Sent> {
        self.over.store(true, Ordering::Relaxed);
        self.phones.join_all().await.into_iter().flat_map(|phone| phone.sent).collect()
    }
}

async fn work(mut phone: Phone, number: usize, over: Arc<AtomicBool>) -> Phone {
    for turn in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (name, key) = (format!("{number}-{turn}"), format!("key-{turn}"));
        let buy = json!({ "username": format!("buyer-{number}"), "powerUpType": "FREEZE", "quantity": 6 });
        match number % 4 {
            0 if turn % 8 == 7 => {
                phone.until_taken("add", &named(&format!("never-{name}")), None).await;
                phone.once("press", &named(&format!("never-{name}")), Some(BAD_KEY)).await;
            }
            0 => {
                phone.until_taken("add", &named(&format!("once-{name}")), None).await;
                phone.once("press", &named(&format!("once-{name}")), None).await;
            }
            1 => {
                phone.until_taken("add", &named(&format!("firm-{name}")), None).await;
                phone.until_taken("press", &named(&format!("firm-{name}")), None).await;
            }
            2 if turn % 8 == 7 => {
                let mut wrong = buy;
                wrong["quantity"] = "6".into();
                phone.once("powerups", &wrong, Some(&format!("bad-{turn}"))).await;
            }
            2 => _ = phone.once("powerups", &buy, None).await,
            _ => phone.until_taken("powerups", &buy, Some(&key)).await,
        }
    }
    phone
}

/// Checks on a copy that the files of a killed process are intact before another process opens them.
async fn assert_intact_as_left(place: &Place) {
    if place.stack() == Services {
        return; // none of the data is in our files
    }
    let copy = tempfile::tempdir().unwrap();
    for file in [INBOX, GAME] {
        for file in [file.to_owned(), format!("{file}-wal")] {
            if place.folder().join(&file).exists() {
                std::fs::copy(place.folder().join(&file), copy.path().join(&file)).unwrap();
            }
        }
    }
    assert_intact(copy.path()).await;
}

/// Compares the phones' answers with the final state of the game.
async fn assert_settled(place: &Place, sent: &[Sent], points: u64) {
    place.assert_intact().await;
    place.assert_verified(&SETTINGS).await;
    let journal = place.journal().await;
    assert_kept(sent, &journal);
    for applied in &journal {
        let (username, path, key) = kind(applied);
        assert!(path != "press" || !username.starts_with("never-"), "{applied:?}");
        assert!(key.is_none_or(|key| key.starts_with("key-")), "{applied:?}");
    }
    assert_scores(place, &journal, points).await;
}

/// A press in the journal is one point, a purchase is charged once, and nothing else changes a score.
async fn assert_scores(place: &Place, journal: &[Applied], points: u64) {
    let state = place.state().await;
    let bought = state.purchases.iter().filter(|(_, outcome)| **outcome == PurchaseOutcome::Bought);
    let bought: HashSet<_> = bought.map(|((_, username, id), _)| (username.as_str(), id.as_str())).collect();
    let mut paid = HashMap::<_, u64>::new();
    for (username, _) in &bought {
        *paid.entry(*username).or_default() += PRICE;
    }
    let (mut pressed, mut wanted) = (HashSet::new(), HashSet::new());
    for applied in journal {
        match &applied.action {
            Action::Press { username } => _ = pressed.insert(username.as_str()),
            Action::Buy { username, id, .. } => _ = wanted.insert((username.as_str(), id.as_str())),
            Action::Add(_) | Action::Announce(_) | Action::Tick { .. } => {}
        }
    }
    assert_eq!(bought, wanted, "every purchase of the journal was bought once");
    assert!(!bought.is_empty());
    for ((_, username), player) in &state.players {
        let username = username.as_str();
        let counted = u64::from(pressed.contains(username));
        let expected = match username.split('-').next() {
            Some("buyer") => points - paid.get(username).copied().unwrap_or_default(),
            Some("never") => 0,
            _ => counted,
        };
        assert_eq!(player.score, expected, "{username}");
        assert!(username.starts_with("buyer-") || player.streak == counted, "{username}: {player:?}");
    }
}
