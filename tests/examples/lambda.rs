//! Measures a binary of the fetch Lambda in a stand-in for Lambda, with a real PostgreSQL and Redis: start time,
//! response time and memory. Usage: `lambda BINARY [INIT_MS_MAX]`; `.ci/lambda` runs it.

#![expect(clippy::unwrap_used, reason = "it ends where something is missing")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::clock::Clock;
use game::{Action, Add, Username, partition_of};
use ledger::Span;
use ranks::Ranks;
use serde_json::json;
use servers::lambda::{Function, Secrets, answer, http_event};
use servers::{postgres, redis};
use store::{Memory, Options, Position, RolePasswords, Store};

/// Number of measured starts.
const STARTS: usize = 20;
/// Number of measured responses.
const ANSWERS: usize = 1_000;
/// Partitions of the game.
const PARTITIONS: u16 = 16;
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:buttonparty/reader-a1b2c3";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().unwrap_or_default());
    let init_ms_max = arguments.next().map_or(u128::MAX, |ms| ms.parse().unwrap());
    if !program.exists() {
        eprintln!("usage: lambda BINARY [INIT_MS_MAX]");
        return ExitCode::FAILURE;
    }
    let database = postgres::server().await.database().await;
    let board_url = redis::server().url();
    play(&Store::postgres(&database.url(), Options::default()).unwrap(), &board_url).await;
    let login = json!({ "username": "buttonparty_reader", "password": "secret" });
    let secrets = Secrets::start(SECRET, &login.to_string()).await;
    let store_url = database.url_as("buttonparty_reader", "x").replacen(":x@", "@", 1);
    let settings = [
        ("BUTTONPARTY_STORE_URL", store_url.as_str()),
        ("BUTTONPARTY_STORE_SECRET", SECRET),
        ("BUTTONPARTY_BOARD_URL", &board_url),
        ("AWS_ENDPOINT_URL", secrets.url()),
    ];
    let mut inits = Vec::new();
    for _ in 0..STARTS {
        let function = Function::start(&program, &settings).await.unwrap();
        inits.push(function.init());
        assert_eq!(answer(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap()).0, 200);
    }
    let function = Function::start(&program, &settings).await.unwrap();
    let mut times = Vec::new();
    for number in 0..ANSWERS {
        let target = if number % 2 == 0 { "/fetch/self?username=ada" } else { "/fetch/lb" };
        let begun = instant();
        let answered = function.invoke(&http_event("GET", target)).await.unwrap();
        times.push(begun.elapsed());
        let (status, text) = answer(&answered);
        assert!(status == 200 && text.contains("\"rank\":1"), "{text}");
    }
    inits.sort();
    times.sort();
    let median = inits[inits.len() / 2];
    println!(
        "start to first request: median {}, slowest {}, of {STARTS}",
        ms(median),
        ms(inits[inits.len() - 1])
    );
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("an answer: p50 {}, p99 {}, of {ANSWERS}, one after the other", ms(p50), ms(p99));
    println!("memory at most: {:.1} MB", function.peak_bytes() as f64 / 1e6);
    if median.as_millis() > init_ms_max {
        eprintln!("it takes longer than {init_ms_max} ms to start");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Adds one player, who has a rank.
async fn play(store: &Store, board_url: &str) {
    let now_ms = Clock::System.now_ms();
    store.migrate().await.unwrap();
    let passwords = RolePasswords { reader: Some("secret".to_owned()), ..RolePasswords::default() };
    store.grant_roles(&passwords).await.unwrap();
    let ledger = store.ledger().await.unwrap();
    ledger.settle_identity("inbox", PARTITIONS, now_ms).await.unwrap();
    let username = Username::new("ada").unwrap();
    let partition = partition_of("ada", PARTITIONS);
    let mut connection = ledger.acquire().await.unwrap();
    let mut read = connection.read(partition).await.unwrap();
    let from = read.position();
    let names = std::slice::from_ref(&username);
    let mut batch = Memory::default().load(&mut read, names, &[]).await.unwrap();
    read.end().await.unwrap();
    let add = Action::Add(Add { username, name: None, platform: None, token: None });
    batch.world.apply(game::Stamps::of_arrival(now_ms), &add).unwrap();
    let span = Span { partition, from, to: Position { sequence: from.sequence + 1, ..from } };
    let mut write = connection.write(span, batch.world.applied_through_ms).await.unwrap().unwrap();
    store::save(&mut write, &mut batch, &[]).await.unwrap();
    write.commit(&[]).await.unwrap();
    let reader = store.reader().await.unwrap();
    Ranks::redis(board_url, PARTITIONS)
        .unwrap()
        .rebuilding_as(1)
        .rebuild_stale(&reader, now_ms)
        .await
        .unwrap();
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this program measures")]
    Instant::now()
}
