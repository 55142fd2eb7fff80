//! Checks of the embedded inbox only: its file.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use queue::{DeadLetter, Error, NowMs, Options, Outgoing, Queue};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection, query, query_scalar};
use tokio::time::timeout;

use crate::harness::{ALL, Backend, Harness, LONG, ack_all, bodies, in_time, outgoing, quiet, up_to};

async fn raw(harness: &Harness) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(harness.path())).await.unwrap()
}

fn stopped() -> NowMs {
    Arc::new(|| 0)
}

#[tokio::test]
async fn everything_is_still_there_after_reopening() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.send(0, ["a"]).await;
    harness.send(1, ["b"]).await;
    let held = harness.receive(ALL).await;
    let highest = harness.queue.highest_sequence().await.unwrap();
    harness.queue.close().await;
    assert!(!harness.path().with_extension("sqlite-wal").exists(), "the log is in the file");
    let queue = harness.another().await;
    assert_eq!(queue.inbox_id(), harness.queue.inbox_id());
    assert_eq!(queue.highest_sequence().await.unwrap(), highest);
    let batch = crate::harness::receive(&queue, ALL).await;
    assert_ne!(batch.lease.partition(), held.lease.partition(), "the lease still stands");
    ack_all(&queue, &batch).await;
    ack_all(&queue, &held).await;
    assert_eq!(queue.send(&[outgoing(0, "a")]).await.len(), 1);
    assert_eq!(queue.backlog().await.unwrap().messages, 0, "ids are still remembered");
}

#[tokio::test]
async fn leases_run_out_while_the_file_is_closed() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.send(0, ["a"]).await;
    let held = harness.receive(ALL).await;
    harness.queue.close().await;
    harness.pass_visibility();
    let queue = harness.another().await;
    assert!(matches!(queue.ack(&held.lease, held.messages[0].sequence).await, Err(Error::LeaseLost)));
    assert_eq!(crate::harness::receive(&queue, ALL).await.messages[0].receive_count, 2);
}

/// Another process holds the write lock for a while.
#[tokio::test]
async fn a_quiet_message_that_had_to_wait_is_stored_when_its_turn_comes() {
    let harness = Harness::new(Backend::Sqlite).await;
    let mut other = raw(&harness).await;
    query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let messages = [outgoing(0, "plain"), quiet(0, "quiet")];
    let mut sending = pin!(harness.queue.send(&messages));
    let in_vain = timeout(Duration::from_millis(300), sending.as_mut()).await;
    assert!(in_vain.is_err(), "the file is held: {in_vain:?}");
    harness.advance(4_000);
    other.close().await.unwrap();
    assert!(sending.await.iter().all(Result::is_ok));
    let batch = harness.receive(ALL).await;
    assert_eq!(batch.messages[1].id, "~0-quiet");
    assert_eq!(batch.messages[1].stored_at_ms, harness.now_ms());
}

/// The clock was ahead when the lease was taken, and is correct now.
#[tokio::test]
async fn a_lease_from_the_future_is_over() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.send(0, ["a"]).await;
    let held = harness.receive(ALL).await;
    harness.advance(-harness.visibility_ms());
    harness.nothing().await; // twice its full length would still be left
    harness.queue.extend(&held.lease).await.unwrap();
    harness.advance(-harness.visibility_ms() - 1);
    assert_eq!(harness.queue.backlog().await.unwrap().in_flight, 0);
    assert!(matches!(harness.queue.extend(&held.lease).await, Err(Error::LeaseLost)));
    let batch = harness.receive(ALL).await;
    assert_eq!((bodies(&batch.messages), batch.messages[0].receive_count), (vec!["a"], 2));
    ack_all(&harness.queue, &batch).await;
}

#[tokio::test]
async fn ids_remembered_from_the_future_are_forgotten() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.send(0, ["a", "b"]).await;
    harness.advance(-queue::DEDUP_MS - 1);
    harness.send(0, ["a", "c"]).await;
    ack_all(&harness.queue, &harness.receive(ALL).await).await;
    let mut remembered = raw(&harness).await;
    let ids: Vec<String> =
        query_scalar("SELECT id FROM dedup ORDER BY id").fetch_all(&mut remembered).await.unwrap();
    assert_eq!(ids, ["0-c"]);
    harness.send(0, ["a"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
}

#[tokio::test]
async fn a_closed_inbox_says_so_and_wakes_who_waits() {
    in_time(async {
        let harness = Harness::new(Backend::Sqlite).await;
        let queue = harness.queue.clone();
        let waiting = tokio::spawn(async move { queue.receive(ALL, LONG).await });
        harness.queue.close().await;
        assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
        assert!(matches!(harness.queue.send(&[outgoing(0, "a")]).await[..], [Err(Error::Closed)]));
        assert!(matches!(harness.queue.check().await, Err(Error::Closed)));
        harness.queue.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_partition_that_has_waited_longest_comes_first() {
    let harness = Harness::new(Backend::Sqlite).await;
    for partition in [5, 1, 9, 3] {
        harness.send(partition, ["first"]).await;
    }
    for partition in [5, 1, 9, 3, 5, 1] {
        let batch = harness.receive(up_to(1)).await;
        assert_eq!(batch.lease.partition(), partition);
        ack_all(&harness.queue, &batch).await;
        harness.send(partition, [format!("after {}", batch.messages[0].sequence)]).await;
    }
}

#[tokio::test]
async fn two_files_have_two_ids() {
    let (one, other) = (Harness::new(Backend::Sqlite).await, Harness::new(Backend::Sqlite).await);
    assert_eq!(one.queue.inbox_id().len(), 32);
    assert_ne!(one.queue.inbox_id(), other.queue.inbox_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_can_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inbox.sqlite");
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    Queue::open_sqlite(&path, Options::default(), stopped()).await.unwrap()
                })
            })
            .collect();
        let mut queues = Vec::new();
        for queue in opening {
            queues.push(queue.await.unwrap());
        }
        assert!(queues.iter().all(|queue| queue.inbox_id() == queues[0].inbox_id()));
    }
}

#[tokio::test]
async fn a_full_inbox_refuses_and_can_be_emptied() {
    let harness =
        Harness::with(Backend::Sqlite, Options { file_bytes_max: 2 << 20, ..Options::default() }).await;
    let queue = &harness.queue;
    let envelope = |number: usize| Outgoing {
        partition: 0,
        id: format!("id {number}"),
        body: "x".repeat(60_000),
        quiet: false,
    };
    let mut stored = 0;
    let error = loop {
        // Sent in pairs: if one does not fit, neither is stored.
        let results = queue.send(&[envelope(stored), envelope(stored + 1)]).await;
        match &results[..] {
            [Ok(()), Ok(())] => stored += 2,
            [Err(error), Err(Error::Full { .. })] => break error.clone(),
            _ => panic!("{results:?}"),
        }
        assert!(stored < 40, "the bound does not hold");
    };
    assert!(matches!(error, Error::Full { .. }));
    assert!(error.is_definite() && !error.is_transient());
    assert_eq!(queue.backlog().await.unwrap().messages, stored as u64);
    // Dead letters still fit: more of them than a send had room for.
    let letters = ["d", "e", "f"].map(|id| DeadLetter {
        id: id.into(),
        partition: 0,
        body: "x".repeat(60_000),
        reason: String::new(),
        buried_at_ms: 0,
    });
    queue.bury(&letters).await.unwrap();
    let batch = harness.receive(ALL).await;
    assert_eq!(batch.messages.len(), stored);
    ack_all(queue, &batch).await;
    assert!(matches!(queue.send(&[envelope(stored), envelope(stored + 1)]).await[..], [Ok(()), Ok(())]));
    assert_eq!(harness.receive(ALL).await.messages.len(), 2);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.queue.close().await;
    query("INSERT INTO _sqlx_migrations VALUES (99, 'from the future', 0, TRUE, x'00', 0)")
        .execute(&mut raw(&harness).await)
        .await
        .unwrap();
    let error = Queue::open_sqlite(&harness.path(), Options::default(), stopped()).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 99, known: 1 }), "{error:?}");
    assert_eq!(error.to_string(), "the inbox has schema 99, this program knows schemas up to 1");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn what_is_no_inbox_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear reader, ".repeat(1000)).unwrap();
    let error = Queue::open_sqlite(&path, Options::default(), stopped()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let error = Queue::open_sqlite(&path.join("below"), Options::default(), stopped()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.is_definite() && !error.is_transient());
}

#[tokio::test]
async fn remembered_ids_do_not_pile_up() {
    let harness = Harness::new(Backend::Sqlite).await;
    harness.send(0, 0..100).await;
    harness.advance(queue::DEDUP_MS);
    harness.send(0, 100..150).await;
    let remembered: i64 =
        query_scalar("SELECT count(*) FROM dedup").fetch_one(&mut raw(&harness).await).await.unwrap();
    assert_eq!(remembered, 50);
    let batch = harness.receive(ALL).await;
    assert_eq!(bodies(&batch.messages).len(), 150);
    ack_all(&harness.queue, &batch).await;
    let counted: i64 =
        query_scalar("SELECT count(*) FROM received").fetch_one(&mut raw(&harness).await).await.unwrap();
    assert_eq!(counted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_and_receivers_of_two_handles_do_not_fail_each_other() {
    in_time(async {
        let harness = Arc::new(Harness::new(Backend::Sqlite).await);
        let other = harness.another().await;
        let sender = tokio::spawn(async move {
            for number in 0..200 {
                crate::harness::send(&other, &[outgoing(number % 4, &number.to_string())]).await;
            }
        });
        let mut received = 0;
        while received < 200 {
            for batch in harness.queue.receive(ALL, LONG).await.unwrap() {
                received += batch.messages.len();
                ack_all(&harness.queue, &batch).await;
            }
        }
        sender.await.unwrap();
        harness.nothing().await;
    })
    .await;
}
