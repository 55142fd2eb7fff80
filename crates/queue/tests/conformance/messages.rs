//! Sending and receiving.

use std::time::Duration;

use queue::{Backlog, DEDUP_MS, DeadLetter, Error, Limit, Options, Outgoing, Queue, Sequence};

use crate::harness::{
    ALL, Backend, Harness, LONG, Need, ack_all, bodies, outgoing, quiet, receive, send, up_to,
};

/// Waits for the next bodies.
async fn next(queue: Queue) -> Vec<String> {
    let batches = queue.receive(ALL, LONG).await.unwrap();
    batches.iter().flat_map(|batch| batch.messages.iter().map(|message| message.body.clone())).collect()
}

pub(crate) async fn order_within_a_partition(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(3, 0..5).await;
    harness.send(3, 5..9).await;
    let batch = harness.receive(ALL).await;
    assert_eq!(batch.lease.partition(), 3);
    assert_eq!(bodies(&batch.messages), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    let first = &batch.messages[0];
    assert_eq!((first.id.as_str(), first.stored_at_ms, first.receive_count), ("3-0", 1_700_000_000_000, 1));
    ack_all(&harness.queue, &batch).await;
    harness.nothing().await;
}

pub(crate) async fn partitions_are_independent(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b"]).await;
    harness.send(u16::MAX, ["c", "d"]).await;
    let one = harness.receive(ALL).await;
    let other = harness.receive(ALL).await;
    assert_ne!(one.lease.partition(), other.lease.partition());
    harness.nothing().await;
    ack_all(&harness.queue, &other).await;
    harness.queue.release(&one.lease).await.unwrap();
    assert_eq!(harness.receive(ALL).await.messages.len(), one.messages.len());
}

pub(crate) async fn limits_bound_a_batch_but_one_message_always_comes(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["aaaa", "bbbb", "cccc", "dddd"]).await;
    for (messages_max, bytes_max, expected) in
        [(3, 100, 3), (100, 8, 2), (100, 11, 2), (100, 0, 1), (0, 100, 1)]
    {
        let batch = harness.receive(Limit { messages_max, bytes_max }).await;
        assert_eq!(batch.messages.len(), expected, "{messages_max} messages, {bytes_max} bytes");
        harness.queue.release(&batch.lease).await.unwrap();
    }
}

pub(crate) async fn many_envelopes_in_one_send(backend: Backend) {
    let harness = Harness::new(backend).await;
    // More than the embedded inbox stores with one statement, and not a power of two.
    let envelopes: Vec<_> = (0..1500).map(|number| outgoing(number % 7, &number.to_string())).collect();
    send(&harness.queue, &envelopes).await;
    send(&harness.queue, &[]).await;
    for (partition, got) in harness.drain(1500).await {
        let expected =
            (0..1500_u16).filter(|number| number % 7 == partition).map(|number| number.to_string());
        assert!(got.into_iter().eq(expected), "partition {partition}");
    }
    harness.nothing().await;
}

pub(crate) async fn a_body_that_is_too_long_fails_alone(backend: Backend) {
    let harness = Harness::with(backend, Options { body_bytes_max: 4, ..Options::default() }).await;
    let results =
        harness.queue.send(&[outgoing(0, "fits"), outgoing(0, "longer"), outgoing(0, "same")]).await;
    assert!(matches!(results[..], [Ok(()), Err(Error::TooLarge { found_bytes: 6, max_bytes: 4 }), Ok(())]));
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["fits", "same"]);
}

pub(crate) async fn unicode_and_the_longest_body_round_trip(backend: Backend) {
    let harness = Harness::new(backend).await;
    let mut every: String = ('\u{20}'..=char::MAX)
        .step_by(41)
        .chain(['\t', '\n', '\r', '"', '\\', '\'', '🦀', '\u{10FFFD}'])
        .collect();
    let longest = Options::default().body_bytes_max;
    while every.len() > longest {
        every.pop();
    }
    let full = "x".repeat(longest);
    let sent = [every.as_str(), full.as_str(), "x"].map(ToOwned::to_owned);
    for (number, body) in sent.iter().enumerate() {
        send(
            &harness.queue,
            &[Outgoing { partition: 0, id: format!("é🦀{number}"), body: body.clone(), quiet: false }],
        )
        .await;
    }
    let batch = harness.receive(ALL).await;
    assert!(bodies(&batch.messages) == sent, "a body came back changed");
    assert_eq!(batch.messages[2].id, "é🦀2");
}

pub(crate) async fn an_empty_body_round_trips(backend: Backend) {
    let harness = Harness::new(backend).await;
    let envelope = Outgoing { partition: 0, id: "id".into(), body: String::new(), quiet: false };
    send(&harness.queue, &[envelope]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), [""]);
}

pub(crate) async fn a_resend_within_five_minutes_is_dropped(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    harness.advance(DEDUP_MS - 1);
    harness.send(0, ["a", "b"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a", "b"]);
}

pub(crate) async fn a_resend_is_dropped_also_after_the_ack(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    ack_all(&harness.queue, &harness.receive(ALL).await).await;
    harness.send(0, ["a"]).await;
    harness.nothing().await;
}

pub(crate) async fn an_id_is_forgotten_after_five_minutes(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    harness.advance(DEDUP_MS);
    harness.send(0, ["a"]).await;
    harness.advance(DEDUP_MS - 1);
    // The second send renewed the deduplication.
    harness.send(0, ["a"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a", "a"]);
}

pub(crate) async fn the_same_id_twice_in_one_send_is_stored_once(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b", "a"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a", "b"]);
}

/// Third-party servers have their own clocks, which the test does not know.
pub(crate) async fn when_it_was_stored_stays_over_redeliveries_and_resends(backend: Backend) {
    let harness = Harness::new(backend).await;
    let sent_at_ms = harness.now_ms();
    harness.send(0, ["a"]).await;
    let stored_at_ms = harness.receive(ALL).await.messages[0].stored_at_ms;
    assert!(stored_at_ms == sent_at_ms || !harness.has(Need::Clock), "{stored_at_ms}");
    harness.pass_visibility();
    harness.send(0, ["a"]).await;
    let again = harness.receive(ALL).await;
    assert_eq!((again.messages[0].stored_at_ms, again.messages[0].receive_count), (stored_at_ms, 2));
    harness.queue.release(&again.lease).await.unwrap();
    let last = harness.receive(ALL).await;
    assert_eq!((last.messages[0].stored_at_ms, last.messages[0].receive_count), (stored_at_ms, 3));
    ack_all(&harness.queue, &last).await;
    let sent_at_ms = harness.now_ms();
    harness.send(0, ["b"]).await;
    let later = harness.receive(ALL).await.messages[0].stored_at_ms;
    assert!(later == sent_at_ms || !harness.has(Need::Clock), "{later}");
    assert!(later > stored_at_ms, "a visibility later: {later}, {stored_at_ms}");
}

pub(crate) async fn waiting_ends_when_something_is_sent(backend: Backend) {
    let harness = Harness::new(backend).await;
    let ((), received) = tokio::join!(harness.send(0, ["a"]), next(harness.queue.clone()));
    assert_eq!(received, ["a"]);
    let waiting = tokio::spawn(next(harness.queue.clone()));
    harness.send(1, ["b"]).await;
    assert_eq!(waiting.await.unwrap(), ["b"]);
}

pub(crate) async fn waiting_ends_when_the_partition_is_released(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    let waiting = tokio::spawn(next(harness.queue.clone()));
    harness.queue.release(&batch.lease).await.unwrap();
    assert_eq!(waiting.await.unwrap(), ["a"]);
}

pub(crate) async fn waiting_ends_when_the_partition_is_acked(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a", "b"]).await;
    let batch = harness.receive(up_to(1)).await;
    let waiting = tokio::spawn(next(harness.queue.clone()));
    ack_all(&harness.queue, &batch).await;
    assert_eq!(waiting.await.unwrap(), ["b"]);
}

pub(crate) async fn waiting_ends_when_the_lease_runs_out(backend: Backend) {
    let harness = Harness::new(backend).await;
    harness.send(0, ["a"]).await;
    harness.receive(ALL).await;
    let waiting = tokio::spawn(next(harness.queue.clone()));
    harness.pass_visibility();
    assert_eq!(waiting.await.unwrap(), ["a"]);
}

pub(crate) async fn waiting_ends_with_nothing(backend: Backend) {
    let harness = Harness::new(backend).await;
    assert_eq!(harness.queue.receive(ALL, Duration::from_millis(60)).await.unwrap(), []);
}

pub(crate) async fn two_handles_share_one_inbox(backend: Backend) {
    let harness = Harness::new(backend).await;
    let other = harness.another().await;
    assert_eq!(harness.queue.inbox_id(), other.inbox_id());
    let waiting = tokio::spawn(next(other.clone()));
    harness.send(0, ["a"]).await;
    assert_eq!(waiting.await.unwrap(), ["a"]);
    // The other handle holds it.
    harness.nothing().await;
    harness.send(1, ["b"]).await;
    let batch = receive(&other, ALL).await;
    assert_eq!(bodies(&batch.messages), ["b"]);
    let waiting = tokio::spawn(next(harness.queue.clone()));
    other.release(&batch.lease).await.unwrap();
    assert_eq!(waiting.await.unwrap(), ["b"]);
    assert!(matches!(other.ack(&batch.lease, batch.messages[0].sequence).await, Err(Error::LeaseLost)));
    send(&other, &[outgoing(1, "b"), outgoing(2, "c")]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["c"], "ids are remembered for both");
}

pub(crate) async fn figures_of_the_backlog(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    let empty = Backlog { messages: 0, in_flight: 0, dead: 0, oldest_sent_at_ms: None };
    assert_eq!(queue.backlog().await.unwrap(), empty);
    let nothing = queue.highest_sequence().await.unwrap();
    assert!(nothing.is_none_or(|highest| highest == Sequence(0)), "{nothing:?}");
    harness.send(0, ["a", "b", "c"]).await;
    harness.advance(10);
    harness.send(1, ["d"]).await;
    harness.receive(up_to(2)).await;
    let letter =
        DeadLetter { id: "x".into(), partition: 0, body: "x".into(), reason: "x".into(), buried_at_ms: 0 };
    queue.bury(&[letter]).await.unwrap();
    let expected = Backlog { messages: 4, in_flight: 2, dead: 1, oldest_sent_at_ms: Some(1_700_000_000_000) };
    assert_eq!(queue.backlog().await.unwrap(), expected);
    harness.pass_visibility();
    assert_eq!(queue.backlog().await.unwrap().in_flight, 0);
    for _ in 0..2 {
        ack_all(queue, &harness.receive(ALL).await).await;
    }
    assert_eq!(queue.backlog().await.unwrap(), Backlog { dead: 1, ..empty });
    queue.check().await.unwrap();
}

pub(crate) async fn an_inbox_is_empty_when_everything_is_acked(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    assert!(queue.is_empty().await.unwrap());
    send(queue, &[quiet(0, "quiet"), outgoing(0, "loud")]).await;
    assert!(!queue.is_empty().await.unwrap(), "two wait");
    let batch = harness.receive(ALL).await;
    assert!(!queue.is_empty().await.unwrap(), "two are in flight");
    queue.ack(&batch.lease, batch.messages[0].sequence).await.unwrap();
    queue.release(&batch.lease).await.unwrap();
    assert!(!queue.is_empty().await.unwrap(), "one waits");
    ack_all(queue, &harness.receive(ALL).await).await;
    assert!(queue.is_empty().await.unwrap());
    send(queue, &[quiet(1, "tick")]).await;
    assert!(!queue.is_empty().await.unwrap(), "a quiet one counts too");
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["tick"], "looking has not taken it");
}

pub(crate) async fn the_highest_sequence_stays_when_messages_are_gone(backend: Backend) {
    let harness = Harness::new(backend).await;
    let queue = &harness.queue;
    assert_eq!(queue.highest_sequence().await.unwrap(), Some(Sequence(0)));
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(up_to(2)).await;
    let highest = queue.highest_sequence().await.unwrap();
    assert!(highest.unwrap() > batch.messages[1].sequence);
    ack_all(queue, &batch).await;
    ack_all(queue, &harness.receive(ALL).await).await;
    assert_eq!(queue.highest_sequence().await.unwrap(), highest);
}
