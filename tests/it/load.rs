//! Many players: the rows written for a round, and a mixed load at the machine's full capacity.

mod written;

use std::collections::HashMap;
use std::sync::Arc;

use game::{Standing, Username, World};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::written::{Rows, Written};
use crate::crowd::{Address, Phone, Told, assert_kept, counts, named};
use crate::place::Stack::{self, Embedded, Services};
use crate::place::{Place, add};
use crate::support::{BY_HAND, Game, alone, eventually, full, now_ms, with_auth};

const PARTITIONS: u16 = 4;
/// One tick after each possible cutoff of a round.
const TICKS: i64 = 5;

/// A round of 2 s (10 s with the largest extender): long enough that two of its ticks are never due at once, even if
/// the scheduler is a second late.
fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", "4")]).collect()
}

#[rstest]
#[tokio::test]
async fn a_round_writes_as_many_rows_for_many_players_as_for_ten(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let many = full(100_000, 10_000);
    let (mut few, mut many) = tokio::join!(rows_of_a_round(stack, 10), rows_of_a_round(stack, many));
    for rows in [&mut few, &mut many] {
        // The operator's task and the scheduler's may both record the announcement.
        let schedule = rows.remove("schedule");
        assert!(schedule.is_some_and(|schedule| (2 + TICKS..=3 + TICKS).contains(&schedule)), "{schedule:?}");
    }
    assert_eq!(few, many);
    println!("{few:?}");
    let partitions = i64::from(PARTITIONS);
    assert_eq!(few["journal"], partitions * (1 + TICKS), "an announcement and the ticks");
    assert_eq!(few["partitions"], partitions * (1 + TICKS));
    assert_eq!(few["rounds"], partitions);
    assert_eq!(few["outbox"], partitions * 3, "put in, taken, and done");
    for table in ["players", "board", "devices", "purchases"] {
        assert_eq!(few[table], 0, "{table}");
    }
}

/// Rows inserted, updated and deleted in each table, from before the announcement of a round until its last tick is
/// applied, in a game with this many players.
async fn rows_of_a_round(stack: Stack, players: usize) -> Rows {
    let place = Place::new(stack).await;
    let adds = (0..players).map(|number| (now_ms(), add(&Username::new(&number.to_string()).unwrap())));
    place.put(PARTITIONS, adds).await;
    let game = Game::start(&place, "all", &settings()).await;
    place.drained().await;
    assert!(game.stop().await.success());
    let written = Written::begin(&place).await;

    let game = Game::start(&place, "all", &settings()).await;
    game.open_round().await;
    let (schedule, outbox) = (place.store().schedule().await.unwrap(), place.store().outbox().await.unwrap());
    eventually("the last tick is sent and everything pushed", || async {
        let ticks_sent = schedule.latest().await.unwrap().map(|round| i64::from(round.ticks_sent));
        (ticks_sent == Some(TICKS) && outbox.pending().await.unwrap() == 0).then_some(())
    })
    .await;
    schedule.close().await;
    outbox.close().await;
    place.drained().await;
    assert!(game.stop().await.success());

    let reader = place.store().reader().await.unwrap();
    assert_eq!(usize::try_from(reader.counts().await.unwrap().players), Ok(players));
    reader.close().await;
    written.end(&place).await
}

/// Number of concurrent phones.
const PHONES: usize = 96;
/// How long they are, in milliseconds: wholly, and in short.
const LOAD_MS: (i64, i64) = (30_000, 8_000);
/// Rounds that open meanwhile, at least: between two of them players are settled, and streaks go on or end. In short
/// there is time for one more, and for a busy machine.
const ROUNDS: (usize, usize) = (5, 2);
/// Rounds that follow one another quickly: of 600 ms, for the largest extender of 3 s.
const QUICK_ROUNDS: [(&str, &str); 3] = [("WINDOW_MS", "400"), ("GRACE_MS", "200"), ("ROUND_GAP_MS", "3001")];
/// Players who have points to spend, and the rounds in which they won them.
const RICH: usize = 300;
const PAST_ROUNDS: u64 = 30;
/// Their purchases.
const GOODS: [(&str, f64); 6] = [
    ("FREEZE", 6.0),
    ("FREEZE", 12.0),
    ("MULTIPLIER", 2.0),
    ("MULTIPLIER", 3.0),
    ("EXTENDER", 1.5),
    ("EXTENDER", 2.0),
];
/// Number of players whose rank is checked at the end.
const RANKS: usize = 50;

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_loses_nothing_and_ranks_right(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let settings: Vec<_> = settings().into_iter().chain(QUICK_ROUNDS).collect();
    let place = Place::new(stack).await;
    let rich: Arc<Vec<_>> = Arc::new((0..RICH).map(|number| format!("rich-{number}")).collect());
    place.put_past(PARTITIONS, &rich, PAST_ROUNDS).await;
    let game = Game::start(&place, "all", &settings).await;
    place.drained().await;

    let seed = now_ms().unsigned_abs();
    println!("seed {seed}");
    let address = Address::new(&game.url);
    let until_ms = now_ms() + full(LOAD_MS.0, LOAD_MS.1);
    let mut phones: JoinSet<Phone> = JoinSet::new();
    for number in 0..PHONES {
        let dice = StdRng::seed_from_u64(seed + number as u64);
        phones.spawn(mixed(address.phone(), number, dice, Arc::clone(&rich), until_ms));
    }
    let mut rounds = 0;
    loop {
        game.open_round().await;
        if now_ms() >= until_ms {
            break; // it opened when the phones were done
        }
        rounds += 1;
    }
    let sent: Vec<_> = phones.join_all().await.into_iter().flat_map(|phone| phone.sent).collect();
    let counts = counts(&sent);
    println!("{rounds} rounds, {counts:?}");
    assert!(rounds >= full(ROUNDS.0, ROUNDS.1), "{rounds} rounds");
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), ["taken"], "{counts:?}");
    place.drained().await;

    let standings = replayed(&place).await;
    assert_board(&game, &standings).await;
    let mut dice = StdRng::seed_from_u64(seed);
    for _ in 0..RANKS {
        let rank = dice.random_range(0..standings.len());
        let username = standings[rank].0.username.as_str();
        let player = game.player(username, |player| player["rank"].is_u64()).await;
        assert_eq!((&player["rank"], &player["score"]), (&json!(rank + 1), &json!(standings[rank].0.score)));
    }
    assert!(standings.iter().any(|(standing, _)| standing.score == 1), "somebody pressed");
    assert!(game.stop().await.success());
    assert_kept(&sent, &place.journal().await);
    place.assert_verified(&settings).await;
    place.assert_intact().await;
}

/// One phone: it joins repeatedly, presses, buys for itself and for others, and reads.
async fn mixed(
    mut phone: Phone,
    number: usize,
    mut dice: StdRng,
    rich: Arc<Vec<String>>,
    until_ms: i64,
) -> Phone {
    let own = |number: usize, turn: usize| format!("poor-{number}-{turn}");
    let mut joined = 0;
    for turn in 0.. {
        if now_ms() >= until_ms {
            break;
        }
        let anybody = match dice.random_range(0..2 * joined + 1) {
            poor if poor < joined => own(number, poor),
            _ => rich[dice.random_range(0..rich.len())].clone(),
        };
        let told = match dice.random_range(0..100) {
            0..15 => {
                let add = json!({ "username": own(number, joined), "name": format!("Poor {turn}") });
                joined += 1;
                phone.once("add", &add, None).await
            }
            15..60 => phone.once("press", &named(&anybody), None).await,
            60..75 => {
                let (kind, level) = GOODS[dice.random_range(0..GOODS.len())];
                let buy = json!({ "username": anybody, "powerUpType": kind, "quantity": level });
                let key = format!("{number}-{turn}");
                phone.once("powerups", &buy, Some(&key).filter(|_| turn % 2 == 0).map(String::as_str)).await
            }
            75..90 => {
                let name = &rich[dice.random_range(0..rich.len())];
                let (status, player) = phone.get(&format!("/fetch/self?username={name}")).await;
                assert_eq!((status, player["username"].as_str()), (200, Some(name.as_str())), "{player}");
                continue;
            }
            _ => {
                let (status, board) = phone.get("/fetch/lb?limit=100").await;
                assert_eq!((status, board.as_array().map(Vec::len)), (200, Some(100)), "{board}");
                continue;
            }
        };
        assert!(matches!(told, Told::Taken { .. }), "{told:?}");
    }
    phone
}

/// Standings, best first, with the names on the board, computed from the journal and the rules alone.
pub(crate) async fn replayed(place: &Place) -> Vec<(Standing, Option<String>)> {
    let mut worlds = HashMap::<u16, World>::new();
    for applied in place.journal().await {
        let world = worlds.entry(applied.partition).or_default();
        world.apply(applied.stamps, &applied.action).unwrap();
    }
    let players = worlds.values().flat_map(|world| &world.players);
    let mut standings: Vec<_> = players
        .map(|(username, player)| {
            (Standing::of(username, player), player.name.as_ref().map(|name| name.as_str().to_owned()))
        })
        .collect();
    standings.sort();
    standings
}

/// Asserts that the board shows the first hundred of these.
pub(crate) async fn assert_board(game: &Game, standings: &[(Standing, Option<String>)]) {
    let expected: Vec<_> = (1..)
        .zip(standings.iter().take(100))
        .map(|(rank, (standing, name)): (u64, _)| {
            json!({ "rank": rank, "username": standing.username.as_str(), "name": name, "score": standing.score })
        })
        .collect();
    let (status, board) = game.get("/fetch/lb?limit=100").await;
    assert_eq!((status, board), (200, Value::from(expected)));
}
