//! The same long random game gives the same rows on both backends.

use game::{
    Action, Add, DisplayName, Level, Platform, Powerup, PowerupKind, PurchaseId, Round, partition_of,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::Options;

use crate::harness::{Backend, Fresh, NOW_MS, run, token, user};

const COMMANDS: usize = 100_000;
const BATCH: usize = 1_000;
const PARTITIONS: u16 = 4;
const USERS: u32 = 3_000;
/// Fewer tokens than users, so that devices change owners, also across partitions.
const TOKENS: u32 = 500;
const SEED: u64 = 20_261_121;
/// Number of commands between announcements.
const ROUND_EVERY: usize = 2_000;

/// A random game: commands with their arrival times.
fn commands() -> Vec<(i64, Action)> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut at_ms = NOW_MS;
    let mut rounds = 0;
    let command = |n: usize| {
        // A round lasts less than the time between announcements, most of which it is open.
        at_ms += rng.random_range(0..200);
        if n.is_multiple_of(ROUND_EVERY) {
            rounds += 1;
            at_ms += 600_000;
            let round = Round::new(rounds, at_ms + 20_000, 100_000, 10_000).unwrap();
            return (at_ms, Action::Announce(round));
        }
        (at_ms, random(&mut rng, at_ms))
    };
    (0..COMMANDS).map(command).collect()
}

fn random(rng: &mut StdRng, at_ms: i64) -> Action {
    let username = user(&format!("user {}", rng.random_range(0..USERS)));
    match rng.random_range(0..100) {
        0..20 => Action::Add(Add {
            username,
            name: rng.random_bool(0.3).then(|| name(rng.random_range(0..1_000))),
            platform: rng.random_bool(0.5).then(|| Platform::ALL[rng.random_range(0..3)]),
            token: rng.random_bool(0.3).then(|| token(&format!("token {}", rng.random_range(0..TOKENS)))),
        }),
        20..75 => Action::Press { username },
        75..99 => Action::Buy {
            username,
            id: PurchaseId::new(&format!("id-{}", rng.random_range(0..20))).unwrap(),
            powerup: Powerup {
                kind: PowerupKind::ALL[rng.random_range(0..3)],
                level: Level::ALL[rng.random_range(0..4)],
            },
        },
        _ => Action::Tick { through_ms: at_ms },
    }
}

fn name(n: u32) -> DisplayName {
    DisplayName::new(&format!("näme \"{n}\" 🦀")).unwrap()
}

/// The commands of each partition, in order. Announcements and ticks go to all of them.
fn split(commands: Vec<(i64, Action)>) -> Vec<Vec<(i64, Action)>> {
    let mut all = vec![Vec::new(); usize::from(PARTITIONS)];
    for (at_ms, action) in commands {
        match action.username().map(|username| partition_of(username.as_str(), PARTITIONS)) {
            Some(partition) => all[usize::from(partition)].push((at_ms, action)),
            None => all.iter_mut().for_each(|one| one.push((at_ms, action.clone()))),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_game_ends_in_the_same_rows() {
    let commands = split(commands());
    let play = async |backend: Backend| {
        let fresh = Fresh::with(backend, Options::default()).await;
        let writer = fresh.game(PARTITIONS).await;
        let mut outcomes = Vec::new();
        let mut batches: Vec<_> = commands.iter().map(|commands| commands.chunks(BATCH)).collect();
        loop {
            let before = outcomes.len();
            for (partition, batches) in (0..).zip(&mut batches) {
                if let Some(batch) = batches.next() {
                    outcomes.push(run(&writer, partition, batch).await);
                }
            }
            if outcomes.len() == before {
                return (outcomes, fresh.state().await);
            }
        }
    };
    let (sqlite, postgres) = tokio::join!(play(Backend::Sqlite), play(Backend::Postgres));
    let (players, purchases) = (sqlite.1.players.len(), sqlite.1.purchases.len());
    assert!(players > 2_900 && purchases > 10_000, "{players} players, {purchases} purchases");
    let points: u64 = sqlite.1.players.values().map(|player| player.score).sum();
    assert!(points > 10_000, "{points} points");
    assert_eq!(postgres.1.differences(&sqlite.1, 3), vec![]);
    assert!(postgres == sqlite, "outcomes and rows");
}
