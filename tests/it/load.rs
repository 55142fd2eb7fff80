//! Many players: what a round costs, and everything at once for as long as the machine has to give.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use game::{Standing, Username, World};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};
use tokio::task::JoinSet;

use crate::crowd::{Address, Phone, Told, assert_kept, counts, named};
use crate::files::{self, GAME, INBOX};
use crate::support::{BY_HAND, Game, alone, eventually, now_ms, with_auth};

const PARTITIONS: u16 = 4;
/// Ticks are sent after each of the possible cutoffs of a round.
const TICKS: i64 = 5;

/// A round of 2 s, for the largest extender of 10 s: long enough that no two of its ticks are due at once, even for a
/// scheduler that is a second late.
fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", "4")]).collect()
}

#[tokio::test]
async fn a_round_writes_as_many_rows_for_a_hundred_thousand_players_as_for_ten() {
    let _alone = alone().await;
    let (few, many) = tokio::join!(rows_of_a_round(10), rows_of_a_round(100_000));
    assert_eq!(few, many);
    println!("{few:?}");
    let partitions = i64::from(PARTITIONS);
    assert_eq!(few["game.sqlite journal"], partitions * (1 + TICKS), "an announcement and the ticks");
    assert_eq!(few["game.sqlite partitions"], partitions * (1 + TICKS));
    assert_eq!(few["game.sqlite rounds"], partitions);
    assert_eq!(few["game.sqlite outbox"], partitions * 3, "put in, taken, and done");
    for table in ["players", "board", "devices", "purchases"] {
        assert_eq!(few[&format!("{GAME} {table}")], 0, "{table}");
    }
}

/// The number of rows that are inserted, updated and deleted in each table, from before a round is announced until its
/// last tick has been applied, in a game with so many players.
async fn rows_of_a_round(players: usize) -> BTreeMap<String, i64> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let adds =
        (0..players).map(|number| (now_ms(), files::add(&Username::new(&number.to_string()).unwrap())));
    files::put(folder, PARTITIONS, adds).await;
    let game = Game::start(folder, "all", &settings()).await;
    files::drained(folder).await;
    assert!(game.stop().await.success());
    let mut tables = Vec::new();
    for file in [INBOX, GAME] {
        tables.extend(count_writes(folder, file).await);
    }

    let game = Game::start(folder, "all", &settings()).await;
    game.open_round().await;
    eventually("the last tick is sent and everything pushed", || async {
        let mut connection = files::open(&folder.join(GAME)).await;
        let done = "SELECT ticks_sent, (SELECT count(*) FROM outbox WHERE done_at_ms IS NULL) FROM schedule";
        let done: (i64, i64) = sqlx::query_as(done).fetch_one(&mut connection).await.unwrap();
        (done == (TICKS, 0)).then_some(())
    })
    .await;
    files::drained(folder).await;
    assert!(game.stop().await.success());

    let mut connection = files::open(&folder.join(GAME)).await;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM players").fetch_one(&mut connection).await.unwrap();
    assert_eq!(usize::try_from(count), Ok(players));
    let mut written = BTreeMap::new();
    for (file, table) in tables {
        let mut connection = files::open(&folder.join(file)).await;
        let count = "SELECT count(*) FROM written WHERE name = ?";
        let count = sqlx::query_scalar(count).bind(&table).fetch_one(&mut connection).await.unwrap();
        written.insert(format!("{file} {table}"), count);
    }
    written
}

/// Has SQLite itself note each row that anybody writes to a table of this file from now on; the tables.
async fn count_writes(folder: &Path, file: &'static str) -> Vec<(&'static str, String)> {
    let mut connection = files::open(&folder.join(file)).await;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
        AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    assert!(tables.len() > 3, "{tables:?}");
    sqlx::query("CREATE TABLE written (name TEXT)").execute(&mut connection).await.unwrap();
    for table in &tables {
        for verb in ["INSERT", "UPDATE", "DELETE"] {
            let trigger = format!(
                "CREATE TRIGGER written_{verb}_{table} AFTER {verb} ON {table}
                 BEGIN INSERT INTO written VALUES ('{table}'); END"
            );
            sqlx::query(AssertSqlSafe(trigger)).execute(&mut connection).await.unwrap();
        }
    }
    connection.close().await.unwrap();
    tables.into_iter().map(|table| (file, table)).collect()
}

/// Connections at work at the same time.
const PHONES: usize = 96;
/// How long they are, in milliseconds.
const LOAD_MS: i64 = 30_000;
/// Players who have points to spend, and the rounds in which they won them.
const RICH: usize = 300;
const PAST_ROUNDS: u64 = 30;
/// What they buy.
const GOODS: [(&str, f64); 6] = [
    ("FREEZE", 6.0),
    ("FREEZE", 12.0),
    ("MULTIPLIER", 2.0),
    ("MULTIPLIER", 3.0),
    ("EXTENDER", 1.5),
    ("EXTENDER", 2.0),
];
/// Players whose rank is looked at in the end.
const RANKS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_loses_nothing_and_ranks_right() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rich: Arc<Vec<_>> = Arc::new((0..RICH).map(|number| format!("rich-{number}")).collect());
    files::put_past(folder, PARTITIONS, &rich, PAST_ROUNDS).await;
    let game = Game::start(folder, "all", &settings()).await;
    files::drained(folder).await;

    let seed = now_ms().unsigned_abs();
    println!("seed {seed}");
    let address = Address::new(&game.url);
    let until_ms = now_ms() + LOAD_MS;
    let mut phones: JoinSet<Phone> = JoinSet::new();
    for number in 0..PHONES {
        let dice = StdRng::seed_from_u64(seed + number as u64);
        phones.spawn(mixed(address.phone(), number, dice, Arc::clone(&rich), until_ms));
    }
    let mut rounds = 0;
    while now_ms() < until_ms {
        game.open_round().await;
        rounds += 1;
    }
    let sent: Vec<_> = phones.join_all().await.into_iter().flat_map(|phone| phone.sent).collect();
    let counts = counts(&sent);
    println!("{rounds} rounds, {counts:?}");
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), ["taken"], "{counts:?}");
    files::drained(folder).await;

    let standings = replayed(folder).await;
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
    assert_kept(&sent, &files::journal(folder).await);
    files::assert_verified(folder, &settings()).await;
    files::assert_intact(folder).await;
}

/// One phone: joins again and again, presses and buys for itself and for others, and reads.
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

/// Where everybody stands, best first, with the names on the board: from nothing but the journal and the rules.
async fn replayed(folder: &Path) -> Vec<(Standing, Option<String>)> {
    let mut worlds = HashMap::<u16, World>::new();
    for applied in files::journal(folder).await {
        let world = worlds.entry(applied.partition).or_default();
        world.apply(applied.arrived_at_ms, &applied.action).unwrap();
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

async fn assert_board(game: &Game, standings: &[(Standing, Option<String>)]) {
    let expected: Vec<_> = (1..)
        .zip(standings.iter().take(100))
        .map(|(rank, (standing, name)): (u64, _)| {
            json!({ "rank": rank, "username": standing.username.as_str(), "name": name, "score": standing.score })
        })
        .collect();
    let (status, board) = game.get("/fetch/lb?limit=100").await;
    assert_eq!((status, board), (200, Value::from(expected)));
}
