//! A rank is returned only if it is exact, as compared with a full sort. In process and in Redis.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod checks;
mod heals;
mod model;
mod settings;
mod trouble;
mod world;

use std::env;
use std::future::Future;
use std::process::Command;
use std::time::Duration;

use deadpool_redis::redis::{Client, Cmd, FromRedisValue, cmd};
use game::{Standing, Username};
use servers::redis;
use store::Position;
use world::{Kind, World};

const NOW_MS: i64 = 1_800_000_000_000;

fn at(sequence: u128) -> Position {
    Position { generation: 1, sequence }
}

fn standing(name: &str, score: u64, reached_at_ms: i64) -> Standing {
    Standing { score, reached_at_ms, username: Username::new(name).unwrap() }
}

/// Ranks by definition: 1 + the number of players strictly ahead.
fn sorted(mut all: Vec<Standing>) -> Vec<(Standing, u64)> {
    all.sort_by(|a, b| {
        let by_score = b.score.cmp(&a.score);
        by_score
            .then(a.reached_at_ms.cmp(&b.reached_at_ms))
            .then(a.username.as_str().as_bytes().cmp(b.username.as_str().as_bytes()))
    });
    all.into_iter().zip(1..).collect()
}

/// Waits for an event that must happen.
async fn timeout<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it comes within a minute")
}

/// Queries Redis without the code under test.
async fn ask<T: FromRedisValue>(url: &str, command: &Cmd) -> T {
    let mut connection = Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}

async fn flush(url: &str) {
    ask::<()>(url, &cmd("FLUSHDB")).await;
}

/// Runs all tests here again in a process whose Redis servers are clusters over TLS with the restrictions of
/// ElastiCache Serverless. Trust in their certificate is set with an environment variable, which a running process
/// cannot change.
#[test]
fn all_of_it_in_clusters_over_tls() {
    if redis::in_clusters().is_some() {
        return;
    }
    let certificate = redis::Certificate::make();
    let tests = Command::new(env::current_exe().unwrap())
        .envs([certificate.trust(), certificate.use_in_clusters()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&tests.stdout);
    assert!(tests.status.success() && text.contains("all_of_it_in_clusters_over_tls ... ok"), "{text}");
}
