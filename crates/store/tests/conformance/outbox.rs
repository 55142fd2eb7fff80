//! Leases on outbox rows.

use ledger::Committed;
use store::{Outbox, OutboxRow};

use crate::harness::{Fresh, NOW_MS, Prefetched, commit, prefetch, token};

const LEASE_MS: i64 = 1000;

async fn with_rows(fresh: &Fresh, topics: &[&str]) -> (Outbox, Outbox) {
    let writer = fresh.game(1).await;
    let row = |topic: &&str| OutboxRow {
        topic: (*topic).into(),
        payload: "{}".into(),
        due_at_ms: NOW_MS,
        expires_at_ms: NOW_MS + 100,
    };
    let rows: Vec<OutboxRow> = topics.iter().map(row).collect();
    let Prefetched { from, world } = prefetch(&writer, 0, &[]).await;
    assert_eq!(commit(&writer, 0, from, &world, &rows).await, Committed::Done);
    (fresh.store.outbox().await.unwrap(), fresh.store.outbox().await.unwrap())
}

pub(crate) async fn two_pushers_share_the_rows(fresh: &Fresh) {
    let (one, two) = with_rows(fresh, &["a", "b", "c"]).await;
    let first = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    let second = two.take("two", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    let third = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    assert_eq!((&*first.topic, &*second.topic, &*third.topic), ("a", "b", "c"));
    assert_eq!(two.take("two", NOW_MS, LEASE_MS).await.unwrap(), None);
    assert_eq!(two.pending().await.unwrap(), 3);
    for (outbox, job) in [(&one, &first), (&two, &second), (&one, &third)] {
        assert!(outbox.done(job, NOW_MS).await.unwrap());
        assert!(!outbox.done(job, NOW_MS).await.unwrap(), "done is done");
        assert!(!outbox.advance(job, &token("t"), NOW_MS, LEASE_MS).await.unwrap());
    }
    assert_eq!(one.pending().await.unwrap(), 0);
    assert_eq!(one.take("one", NOW_MS + LEASE_MS, LEASE_MS).await.unwrap(), None);
}

pub(crate) async fn a_lease_that_ran_out_is_taken_over(fresh: &Fresh) {
    let (one, two) = with_rows(fresh, &["a"]).await;
    let lost = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    assert!(one.advance(&lost, &token("t3"), NOW_MS, LEASE_MS).await.unwrap());
    assert_eq!(two.take("two", NOW_MS + LEASE_MS - 1, LEASE_MS).await.unwrap(), None);
    let now_ms = NOW_MS + LEASE_MS;
    let held = two.take("two", now_ms, LEASE_MS).await.unwrap().unwrap();
    assert_eq!(held.cursor, Some(token("t3")));
    assert!(!one.advance(&lost, &token("t1"), now_ms, LEASE_MS).await.unwrap());
    assert!(!one.done(&lost, now_ms).await.unwrap());

    // An owner loses its own earlier lease too when it takes the row again.
    let again = two.take("two", now_ms + LEASE_MS, LEASE_MS).await.unwrap().unwrap();
    assert_eq!(again.cursor, Some(token("t3")), "what the lost lease tried has left no trace");
    assert!(!two.done(&held, now_ms).await.unwrap());
    assert!(two.done(&again, now_ms).await.unwrap());
}

pub(crate) async fn a_lease_can_be_prolonged(fresh: &Fresh) {
    let (one, two) = with_rows(fresh, &["a"]).await;
    let job = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    for step in 1..5 {
        let now_ms = NOW_MS + step * (LEASE_MS - 1);
        assert_eq!(two.take("two", now_ms, LEASE_MS).await.unwrap(), None);
        assert!(one.advance(&job, &token(&format!("t{step}")), now_ms, LEASE_MS).await.unwrap());
    }
    assert!(one.done(&job, NOW_MS).await.unwrap());
}

/// The clock was ahead when the lease was written, and is correct now.
pub(crate) async fn a_lease_from_the_future_is_over(fresh: &Fresh) {
    let (one, two) = with_rows(fresh, &["a"]).await;
    let future_ms = NOW_MS + 3_600_000;
    let lost = one.take("one", future_ms, LEASE_MS).await.unwrap().unwrap();
    let believed_ms = future_ms - LEASE_MS;
    assert_eq!(two.take("two", believed_ms, LEASE_MS).await.unwrap(), None, "twice its length is left");
    let held = two.take("two", believed_ms - 1, LEASE_MS).await.unwrap().unwrap();
    assert!(!one.done(&lost, NOW_MS).await.unwrap());
    assert_eq!(
        one.take("one", NOW_MS + 2 * LEASE_MS, LEASE_MS).await.unwrap().map(|job| job.topic),
        Some("a".into())
    );
    assert!(!two.done(&held, NOW_MS).await.unwrap());
}

pub(crate) async fn a_row_says_when_it_expires(fresh: &Fresh) {
    let (one, _) = with_rows(fresh, &["a", "b"]).await;
    let job = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    assert_eq!(job.expires_at_ms, Some(NOW_MS + 100));
    // A row of the previous version, which had no expiry.
    fresh.execute("UPDATE outbox SET expires_at_ms = NULL").await;
    let job = one.take("one", NOW_MS, LEASE_MS).await.unwrap().unwrap();
    assert_eq!((&*job.topic, job.expires_at_ms), ("b", None));
}

pub(crate) async fn a_row_waits_until_it_is_due(fresh: &Fresh) {
    let (one, _) = with_rows(fresh, &["a"]).await;
    assert_eq!(one.take("one", NOW_MS - 1, LEASE_MS).await.unwrap(), None);
    assert_eq!(one.pending().await.unwrap(), 1);
    assert!(one.take("one", NOW_MS, LEASE_MS).await.unwrap().is_some());
}
