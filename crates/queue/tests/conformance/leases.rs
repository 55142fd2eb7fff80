//! What a lease permits, and until when.

use queue::{Delivery, Error, Queue, Sequence};

use crate::harness::{ALL, Backend, Harness, Need, ack_all, bodies, up_to};

/// Checks that every call with this batch's lease returns "lease lost".
async fn can_do_nothing(queue: &Queue, batch: &Delivery) {
    let lease = &batch.lease;
    assert!(matches!(queue.ack(lease, batch.messages[0].sequence).await, Err(Error::LeaseLost)));
    assert!(matches!(queue.extend(lease).await, Err(Error::LeaseLost)));
    assert!(matches!(queue.read_ahead(lease, ALL).await, Err(Error::LeaseLost)));
    assert!(matches!(queue.release(lease).await, Err(Error::LeaseLost)));
}

pub(crate) async fn a_partition_in_flight_is_invisible(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    harness.send(0, ["sent later"]).await;
    harness.nothing().await;
    ack_all(&harness.queue, &batch).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["sent later"]);
}

pub(crate) async fn what_is_not_acked_is_visible_again_in_order(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b", "c"]).await;
    let first = harness.receive(up_to(2)).await;
    harness.advance(29_999);
    harness.nothing().await;
    harness.advance(1);
    let again = harness.receive(ALL).await;
    assert_eq!(bodies(&again.messages), ["a", "b", "c"]);
    assert_eq!(again.messages[0].sequence, first.messages[0].sequence);
    let counts: Vec<_> = again.messages.iter().map(|message| message.receive_count).collect();
    assert_eq!(counts, [2, 2, 1]);
}

pub(crate) async fn a_lease_that_ran_out_can_do_nothing(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    harness.pass_visibility();
    can_do_nothing(&harness.queue, &batch).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
}

/// The clock was ahead when the lease was taken, and is correct now.
pub(crate) async fn a_lease_from_the_future_can_do_nothing(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    harness.advance(-harness.visibility_ms() - 1);
    can_do_nothing(&harness.queue, &batch).await;
}

pub(crate) async fn a_lease_that_was_taken_over_can_do_nothing(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b"]).await;
    let stale = harness.receive(up_to(1)).await;
    harness.pass_visibility();
    let present = harness.receive(up_to(1)).await;
    can_do_nothing(&harness.queue, &stale).await;
    // The current holder is not disturbed.
    harness.nothing().await;
    let more = harness.queue.read_ahead(&present.lease, ALL).await.unwrap();
    assert_eq!(bodies(&more), if harness.has(Need::ReadOn) { vec!["b"] } else { vec![] });
    ack_all(&harness.queue, &present).await;
}

pub(crate) async fn a_partial_ack_keeps_the_rest_in_flight(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(ALL).await;
    harness.queue.ack(&batch.lease, batch.messages[0].sequence).await.unwrap();
    harness.nothing().await;
    harness.queue.ack(&batch.lease, batch.messages[1].sequence).await.unwrap();
    harness.pass_visibility();
    let rest = harness.receive(ALL).await;
    assert_eq!(bodies(&rest.messages), ["c"]);
    assert_eq!(rest.messages[0].receive_count, 2);
}

pub(crate) async fn an_ack_never_removes_what_was_not_given(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b"]).await;
    harness.send(1, ["other"]).await;
    let batch = harness.receive(up_to(1)).await;
    harness.queue.ack(&batch.lease, Sequence(u128::MAX)).await.unwrap();
    let mut rest = [harness.receive(ALL).await, harness.receive(ALL).await];
    rest.sort_by_key(|batch| batch.lease.partition());
    assert_eq!(bodies(&rest[0].messages), ["b"]);
    assert_eq!(bodies(&rest[1].messages), ["other"]);
}

pub(crate) async fn the_lease_ends_with_the_last_ack(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b"]).await;
    let batch = harness.receive(up_to(1)).await;
    ack_all(&harness.queue, &batch).await;
    can_do_nothing(&harness.queue, &batch).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["b"]);
}

pub(crate) async fn release_makes_the_rest_visible_at_once(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(up_to(2)).await;
    harness.queue.ack(&batch.lease, batch.messages[0].sequence).await.unwrap();
    harness.queue.release(&batch.lease).await.unwrap();
    can_do_nothing(&harness.queue, &batch).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["b", "c"]);
}

pub(crate) async fn extend_starts_the_visibility_anew(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    for _ in 0..3 {
        harness.advance(29_999);
        harness.queue.extend(&batch.lease).await.unwrap();
    }
    harness.advance(29_999);
    harness.nothing().await;
    harness.advance(1);
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
}

/// A backend that cannot extend a lease to more messages returns nothing; the next receive delivers the rest.
pub(crate) async fn reading_on_continues_without_gap_or_repeat(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    harness.send(0, 0..6).await;
    harness.send(1, ["other"]).await;
    let batch = harness.receive(up_to(2)).await;
    let mut messages = batch.messages.clone();
    messages.extend(queue.read_ahead(&batch.lease, up_to(3)).await.unwrap());
    harness.send(0, ["6"]).await;
    messages.extend(queue.read_ahead(&batch.lease, up_to(10)).await.unwrap());
    assert_eq!(queue.read_ahead(&batch.lease, ALL).await.unwrap(), []);
    assert!(messages.iter().all(|message| message.receive_count == 1));
    // An ack of a later part covers the earlier parts, and keeps what follows.
    queue.ack(&batch.lease, messages[messages.len() - 2].sequence).await.unwrap();
    assert_eq!(harness.receive(ALL).await.lease.partition(), 1, "partition 0 is still in flight");
    queue.ack(&batch.lease, messages[messages.len() - 1].sequence).await.unwrap();
    if messages.len() < 7 {
        messages.extend(harness.receive(ALL).await.messages);
    } else {
        harness.nothing().await;
    }
    assert_eq!(bodies(&messages), ["0", "1", "2", "3", "4", "5", "6"]);
}

pub(crate) async fn what_was_read_on_comes_back_too(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(up_to(1)).await;
    let more = harness.queue.read_ahead(&batch.lease, up_to(1)).await.unwrap();
    harness.queue.ack(&batch.lease, batch.messages[0].sequence).await.unwrap();
    harness.pass_visibility();
    let again = harness.receive(ALL).await;
    assert_eq!(bodies(&again.messages), ["b", "c"]);
    let expected = if more.is_empty() { 1 } else { 2 };
    assert_eq!(again.messages[0].receive_count, expected);
}
