//! The push worker: each device once, under a lease and with a cursor, and not before the due time.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use game::World;
use ledger::Ledger;
use serde_json::Value;
use server::bounds::{PUSH_LEASE_MS, PUSH_PAGE};
use server::push::{PushError, Pusher, Sink};
use store::{Outbox, OutboxRow, Store};

use crate::support::{NOW_MS, Site, add, game, in_time, play};

/// How long a push is useful.
const WINDOW_MS: i64 = 100_000;

struct Bench {
    site: Site,
    store: Store,
    ledger: Ledger,
    outbox: Outbox,
}

impl Bench {
    async fn new() -> Self {
        let site = Site::new().await;
        let (store, ledger) = game(&site, 2).await;
        let outbox = store.outbox().await.unwrap();
        Self { site, store, ledger, outbox }
    }

    /// Gives a partition this many devices and a push for them.
    async fn fill(&self, partition: u16, devices: u32, due_at_ms: i64) {
        let fill = |world: &mut World| {
            for device in 0..devices {
                let name = format!("u{partition}-{device:04}");
                world
                    .apply(game::Stamps::of_arrival(NOW_MS), &add(&name, Some(&token(partition, device))))
                    .unwrap();
            }
        };
        let payload = format!("{{\"message\":\"PRESS BUTTON\",\"partition\":\"{partition}\"}}");
        let expires_at_ms = due_at_ms + WINDOW_MS;
        let row = OutboxRow { topic: "round/1".to_owned(), payload, due_at_ms, expires_at_ms };
        play(&self.ledger, partition, fill, &[row]).await;
    }

    async fn pusher(&self, sink: &Path, owner: &str) -> Pusher {
        let outbox = self.store.outbox().await.unwrap();
        Pusher::new(outbox, Sink::Record(sink.to_owned()), self.site.clock.clone(), owner.to_owned())
    }

    fn sink(&self) -> PathBuf {
        self.site.path("pushes.jsonl")
    }

    /// The tokens of all pushes, in order.
    fn pushed(&self) -> Vec<String> {
        records(&self.sink()).iter().map(|record| record["token"].as_str().unwrap().to_owned()).collect()
    }
}

fn token(partition: u16, device: u32) -> String {
    format!("t{partition}-{device:04}")
}

fn tokens(partition: u16, devices: std::ops::Range<u32>) -> Vec<String> {
    devices.map(|device| token(partition, device)).collect()
}

fn records(sink: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(sink).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_device_gets_the_payload_once() {
    let bench = Bench::new().await;
    bench.fill(1, 2, NOW_MS).await;
    let pusher = bench.pusher(&bench.sink(), "a").await;
    assert!(pusher.step().await.unwrap());
    assert!(!pusher.step().await.unwrap(), "that was all");
    let data = serde_json::json!({"message": "PRESS BUTTON", "partition": "1"});
    let record = |user: &str, token: &str| serde_json::json!({"topic": "round/1", "username": user, "token": token, "platform": null, "data": data});
    assert_eq!(records(&bench.sink()), [record("u1-0000", "t1-0000"), record("u1-0001", "t1-0001")]);
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_is_told_before_it_is_due() {
    let bench = Bench::new().await;
    bench.fill(0, 3, NOW_MS + 5_000).await;
    let pusher = bench.pusher(&bench.sink(), "a").await;
    for wait_ms in [0, 4_999] {
        bench.site.clock.advance(wait_ms);
        assert!(!pusher.step().await.unwrap());
        assert!(!bench.sink().exists());
    }
    bench.site.clock.advance(1);
    assert!(pusher.step().await.unwrap());
    assert_eq!(bench.pushed(), tokens(0, 0..3));
}

#[tokio::test]
async fn what_has_expired_is_done_and_nobody_is_told() {
    let bench = Bench::new().await;
    bench.fill(0, 3, NOW_MS).await;
    bench.fill(1, 3, NOW_MS + 1).await;
    let pusher = bench.pusher(&bench.sink(), "a").await;
    bench.site.clock.advance(WINDOW_MS);
    assert!(pusher.step().await.unwrap());
    assert!(!bench.sink().exists(), "the round is over");
    assert_eq!(bench.outbox.pending().await.unwrap(), 1);
    assert!(pusher.step().await.unwrap());
    assert_eq!(bench.pushed(), tokens(1, 0..3), "this one has a millisecond left");
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn what_expires_among_the_devices_stops_there() {
    let bench = Bench::new().await;
    bench.fill(0, 6 * PUSH_PAGE, NOW_MS).await;
    let sink = bench.sink();
    let pusher = bench.pusher(&sink, "a").await;
    let mut stepping = Box::pin(pusher.step());
    tokio::select! {
        biased;
        () = handed_over(&sink, PUSH_PAGE) => {}
        stepped = &mut stepping => panic!("it should be in the middle of it: {stepped:?}"),
    }
    bench.site.clock.advance(WINDOW_MS);
    assert!(in_time(stepping).await.unwrap());
    let pushed = bench.pushed().len();
    assert!(pushed <= 2 * PUSH_PAGE as usize, "{pushed} devices were told");
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn it_goes_through_page_after_page() {
    for devices in [0, PUSH_PAGE - 1, PUSH_PAGE, PUSH_PAGE + 1, 2 * PUSH_PAGE + 7] {
        let bench = Bench::new().await;
        bench.fill(0, devices, NOW_MS).await;
        assert!(bench.pusher(&bench.sink(), "a").await.step().await.unwrap());
        assert_eq!(bench.pushed(), tokens(0, 0..devices));
        assert_eq!(bench.outbox.pending().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn another_worker_goes_on_where_a_dead_one_stood() {
    let bench = Bench::new().await;
    bench.fill(0, 700, NOW_MS).await;
    let job = bench.outbox.take("dead", NOW_MS, PUSH_LEASE_MS).await.unwrap().unwrap();
    let reached = game::Token::new(&token(0, 299)).unwrap();
    assert!(bench.outbox.advance(&job, &reached, NOW_MS, PUSH_LEASE_MS).await.unwrap());
    let pusher = bench.pusher(&bench.sink(), "b").await;
    bench.site.clock.advance(PUSH_LEASE_MS - 1);
    assert!(!pusher.step().await.unwrap(), "it may still be alive");
    bench.site.clock.advance(1);
    assert!(pusher.step().await.unwrap());
    assert_eq!(bench.pushed(), tokens(0, 300..700));
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

/// Completes when a worker has sent to this many devices; checked each time the worker makes progress.
async fn handed_over(sink: &Path, devices: u32) {
    let devices = devices as usize;
    let look =
        |_: &mut Context<'_>| if records(sink).len() < devices { Poll::Pending } else { Poll::Ready(()) };
    poll_fn(look).await;
}

fn distinct(mut tokens: Vec<String>) -> Vec<String> {
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

#[tokio::test]
async fn a_worker_that_dies_between_pages_repeats_one_page_at_most() {
    let bench = Bench::new().await;
    let devices = 6 * PUSH_PAGE;
    bench.fill(0, devices, NOW_MS).await;
    let sink = bench.sink();
    let first = bench.pusher(&sink, "a").await;
    tokio::select! {
        biased;
        () = handed_over(&sink, 3 * PUSH_PAGE) => {}
        stepped = first.step() => panic!("it should have been cut off: {stepped:?}"),
    }
    drop(first);
    assert_eq!(bench.outbox.pending().await.unwrap(), 1);
    bench.site.clock.advance(PUSH_LEASE_MS);
    assert!(in_time(bench.pusher(&sink, "b").await.step()).await.unwrap());
    let (pushed, all) = (bench.pushed(), tokens(0, 0..devices));
    let repeated = pushed.len() - all.len();
    assert!(repeated <= PUSH_PAGE as usize, "{repeated} devices were pushed to again");
    assert_eq!(distinct(pushed), all, "nobody is left out");
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_worker_that_was_succeeded_stops() {
    let bench = Bench::new().await;
    let devices = 6 * PUSH_PAGE;
    bench.fill(0, devices, NOW_MS).await;
    let (path_a, path_b) = (bench.site.path("a.jsonl"), bench.site.path("b.jsonl"));
    let (slow, fast) = (bench.pusher(&path_a, "a").await, bench.pusher(&path_b, "b").await);
    let mut slow = Box::pin(slow.step());
    tokio::select! {
        biased;
        () = handed_over(&path_a, 1) => {}
        stepped = &mut slow => panic!("it should be in the middle of it: {stepped:?}"),
    }
    bench.site.clock.advance(PUSH_LEASE_MS);
    assert!(in_time(fast.step()).await.unwrap());
    assert!(in_time(slow).await.unwrap());
    let (pushed_a, pushed_b) = (records(&path_a), records(&path_b));
    assert!(pushed_a.len() <= 2 * PUSH_PAGE as usize, "it went on for {} devices", pushed_a.len());
    let both = pushed_a.iter().chain(&pushed_b).map(|record| record["token"].as_str().unwrap().to_owned());
    assert_eq!(distinct(both.collect()), tokens(0, 0..devices));
    assert_eq!(bench.outbox.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn two_workers_share_the_rows() {
    let bench = Bench::new().await;
    bench.fill(0, 1_200, NOW_MS).await;
    bench.fill(1, 1_200, NOW_MS).await;
    let (path_a, path_b) = (bench.site.path("a.jsonl"), bench.site.path("b.jsonl"));
    let (a, b) = (bench.pusher(&path_a, "a").await, bench.pusher(&path_b, "b").await);
    let (worked_a, worked_b) = in_time(async { tokio::join!(a.step(), b.step()) }).await;
    assert!(worked_a.unwrap() && worked_b.unwrap());
    assert!(!a.step().await.unwrap());
    let (pushed_a, pushed_b) = (records(&path_a), records(&path_b));
    assert_eq!((pushed_a.len(), pushed_b.len()), (1_200, 1_200), "one row each");
    assert_ne!(pushed_a[0]["data"]["partition"], pushed_b[0]["data"]["partition"]);
}

#[tokio::test]
async fn a_sink_that_fails_loses_nothing() {
    let bench = Bench::new().await;
    bench.fill(0, 3, NOW_MS).await;
    let broken = bench.pusher(&bench.site.path("missing/pushes.jsonl"), "a").await;
    assert!(matches!(broken.step().await, Err(PushError::Sink(_))));
    assert_eq!(bench.outbox.pending().await.unwrap(), 1);
    bench.site.clock.advance(PUSH_LEASE_MS);
    assert!(matches!(broken.step().await, Err(PushError::Sink(_))), "as often as it takes");
    bench.site.clock.advance(PUSH_LEASE_MS);
    assert!(bench.pusher(&bench.sink(), "b").await.step().await.unwrap());
    assert_eq!(bench.pushed(), tokens(0, 0..3));
}
