//! A suspended process, a network that drops everything, and a lock that is never released must not block a partition.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use game::Action;
use ledger::Committed;
use store::{Error, Options};

use crate::harness::{
    Backend, Commit, Fresh, NOW_MS, Prefetched, Writer, add, commit, eventually, prefetch, round, run,
};

/// Polls a future once; `None` if it is not complete.
async fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A commit that stalls in the middle of its transaction holds the lock on the position's row: the server ends it,
/// another handler continues, and the first gets an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_stands_still_is_ended() {
    // Long enough for a busy machine to reach the middle of it before the server ends it.
    let options = Options { idle_in_transaction_ms_max: 3_000, ..Options::default() };
    let fresh = Fresh::with(Backend::Postgres, options).await;
    let paused = fresh.game(1).await;
    let other = Writer::open(&fresh.store).await.unwrap();
    let commands = [(NOW_MS, add("ada")), (NOW_MS, Action::Announce(round(1)))];
    let Prefetched { from, mut world } = prefetch(&paused, 0, &commands).await;
    for (at_ms, action) in &commands {
        world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
    }
    let to = store::Position { sequence: from.sequence + 1, ..from };
    let stands = Commit { partition: 0, from, to, world: &world, journal: &[], outbox: &[] };
    let mut stands = pin!(paused.commit(stands));

    let mut look = fresh.database().connect().await;
    let mut count = async |condition: &str| -> i64 {
        let count = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'buttonparty' AND {condition}"
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut look).await.unwrap()
    };
    while count("state = 'idle in transaction' AND backend_xid IS NOT NULL").await == 0 {
        assert!(poll(&mut stands).await.is_none(), "it was to stand still before its end");
        // Waits until the server has finished the statement, so that each poll makes only one step.
        eventually("the server is idle", async || count("state = 'active'").await == 0).await;
    }

    let outcome = run(&other, 0, &[(NOW_MS, add("bea"))]).await;
    assert_eq!(outcome.len(), 1);
    let error = stands.await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(fresh.state().await.players.len(), 1, "what stood still has left nothing");
    // It continues normally.
    run(&paused, 0, &commands).await;
    assert_eq!(fresh.state().await.players.len(), 2);
}

/// A lock that is held forever, and a statement that never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_has_an_end() {
    for (options, busy) in [
        (Options { busy_timeout_ms: 50, ..Options::default() }, true),
        (Options { statement_ms_max: 50, ..Options::default() }, false),
    ] {
        let fresh = Fresh::with(Backend::Postgres, options).await;
        let writer = fresh.game(1).await;
        let mut other = fresh.database().connect().await;
        sqlx::raw_sql("BEGIN; UPDATE partitions SET inbox = inbox").execute(&mut other).await.unwrap();
        let Prefetched { from, world } = prefetch(&writer, 0, &[]).await;
        let to = store::Position { sequence: from.sequence + 1, ..from };
        let waiting = Commit { partition: 0, from, to, world: &world, journal: &[], outbox: &[] };
        let error = writer.commit(waiting).await.unwrap_err();
        assert!(error.is_transient() && matches!(error, Error::Busy { .. }) == busy, "{error:?}");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(writer.commit(waiting).await.unwrap(), Committed::Done);
    }
}

/// Two writers of the same partition: exactly one of two commits of a batch succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_commits_one_is_done() {
    let fresh = Fresh::with(Backend::Postgres, Options::default()).await;
    let writers = [fresh.game(1).await, Writer::open(&fresh.store).await.unwrap()];
    let mut done = 0;
    for n in 0..30 {
        let command = [(NOW_MS, add(&format!("player {n}")))];
        let [one, two] = &writers;
        let (mut first, mut second) = (prefetch(one, 0, &command).await, prefetch(two, 0, &command).await);
        for world in [&mut first.world, &mut second.world] {
            world.apply(game::Stamps::of_arrival(command[0].0), &command[0].1).unwrap();
        }
        let (a, b) = tokio::join!(
            commit(one, 0, first.from, &first.world, &[]),
            commit(two, 0, second.from, &second.world, &[])
        );
        assert_ne!(a, b, "one is done, the other is fenced");
        done += 1;
    }
    assert_eq!(fresh.state().await.players.len(), done);
}
