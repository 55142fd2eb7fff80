//! Sends that fail, hang, or are answered in part.

use queue::Error;

use super::{FAILED, SEND, THROTTLED, fake, fresh};
use crate::fake::Fault;
use crate::harness::{ALL, Harness, ack_all, bodies, outgoing, send};

#[tokio::test]
async fn what_fails_for_a_moment_is_sent_again_and_stored_once() {
    let harness = fresh().await;
    let faults = [THROTTLED, FAILED, Fault::BreakAfter].map(|fault| (SEND, fault));
    fake(&harness).fail(faults);
    harness.send(0, ["a", "b"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a", "b"]);
    assert_eq!(fake(&harness).requests(SEND).len(), 5);
}

#[tokio::test]
async fn entries_that_fail_are_sent_again_alone() {
    let harness = fresh().await;
    fake(&harness)
        .fail([(SEND, Fault::Entry("1", "InternalError")), (SEND, Fault::Entry("1", "InternalError"))]);
    let envelopes: Vec<_> =
        (0..3).map(|partition| outgoing(partition, "a")).chain([outgoing(1, "b")]).collect();
    send(&harness.queue, &envelopes).await;
    let sizes: Vec<_> = fake(&harness)
        .requests(SEND)
        .iter()
        .map(|request| request["Entries"].as_array().unwrap().len())
        .collect();
    // All, twice the one that failed, and then what comes after it in its partition.
    assert_eq!(sizes, [3, 1, 1, 1]);
    let drained = harness.drain(4).await;
    assert_eq!(drained[&1], ["a", "b"]);
}

#[tokio::test]
async fn nothing_overtakes_what_failed() {
    let harness = fresh().await;
    for fault in [THROTTLED, Fault::Entry("0", "InternalError"), Fault::Break] {
        fake(&harness).fail((0..4).map(|_| (SEND, fault.clone())));
        let results = harness.queue.send(&[outgoing(0, "a"), outgoing(0, "b")]).await;
        let [Err(first), Err(second)] = &results[..] else { panic!("{results:?}") };
        assert!(first.is_transient() && second.is_transient());
        assert_eq!(first.is_definite(), matches!(first, Error::Throttled { .. }));
        harness.nothing().await;
    }
    let refused = (SEND, Fault::Refuse(403, "AccessDeniedException"));
    fake(&harness).fail([(SEND, Fault::BreakAfter), refused.clone()]);
    let results = harness.queue.send(&[outgoing(1, "stored")]).await;
    assert!(!results[0].as_ref().unwrap_err().is_definite(), "{results:?}");
    ack_all(&harness.queue, &harness.receive(ALL).await).await;
    fake(&harness).fail([refused]);
    let results = harness.queue.send(&[outgoing(0, "a"), outgoing(0, "b")]).await;
    assert!(matches!(&results[..], [Err(Error::Refused { .. }), Err(Error::Refused { .. })]), "{results:?}");
    harness.send(0, ["a", "b"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a", "b"]);
}

#[tokio::test]
async fn a_send_without_an_answer_can_be_made_again() {
    let harness = fresh().await;
    fake(&harness).fail([(); 3].map(|()| (SEND, Fault::Hang)));
    let envelopes = [outgoing(0, "a"), outgoing(0, "b"), outgoing(1, "c")];
    let results = harness.queue.send(&envelopes).await;
    assert_eq!(fake(&harness).requests(SEND).len(), 3, "together, and then each alone, once");
    for result in results {
        let error = result.unwrap_err();
        assert!(error.is_transient() && !error.is_definite(), "{error:?}");
    }
    send(&harness.queue, &envelopes).await;
    assert_eq!(harness.drain(3).await[&0], ["a", "b"]);
    harness.nothing().await;
}

/// The lengths of the requests to send, in messages.
fn sizes(harness: &Harness) -> Vec<usize> {
    let requests = fake(harness).requests(SEND);
    requests.iter().map(|request| request["Entries"].as_array().unwrap().len()).collect()
}

#[tokio::test]
async fn a_request_that_hangs_is_divided_and_each_partition_is_answered_alone() {
    let harness = fresh().await;
    // All three together, and then one of them.
    fake(&harness).fail([(); 2].map(|()| (SEND, Fault::Hang)));
    let envelopes = [0, 1, 2].map(|partition| outgoing(partition, "a"));
    let mut answers = Vec::new();
    harness.queue.send_each(&envelopes, |index, result| answers.push((index, result.is_ok()))).await;
    let stored: Vec<_> = answers.iter().map(|(_, stored)| *stored).collect();
    assert_eq!(stored, [true, true, false], "nobody waits for the one that hangs");
    assert_eq!(sizes(&harness), [3, 1, 1, 1]);
    // What hangs was stored all the same, and only once.
    send(&harness.queue, &envelopes).await;
    let drained = harness.drain(3).await;
    for partition in [0, 1, 2] {
        assert_eq!(drained[&partition], ["a"]);
    }
}

#[tokio::test]
async fn what_may_be_stored_is_never_said_to_be_not() {
    let harness = fresh().await;
    let refused = Fault::Refuse(403, "AccessDeniedException");
    fake(&harness).fail([Fault::Hang, refused.clone(), refused].map(|fault| (SEND, fault)));
    let results = harness.queue.send(&[outgoing(0, "a"), outgoing(1, "b")]).await;
    assert!(results.iter().all(|result| !result.as_ref().unwrap_err().is_definite()), "{results:?}");
}

/// Of twelve partitions, the ten that share the first request hang, together and then each alone.
#[tokio::test]
async fn many_partitions_that_hang_hold_up_no_other_of_their_send() {
    let harness = fresh().await;
    let hanging = 10;
    fake(&harness).fail([(SEND, Fault::HangOf(hanging))]);
    let mut envelopes: Vec<_> = (0..12).map(|partition| outgoing(partition, "a")).collect();
    envelopes.extend((10..12).map(|partition| outgoing(partition, "b")));
    let mut answers = Vec::new();
    harness.queue.send_each(&envelopes, |index, result| answers.push((index, result.is_ok()))).await;
    let first: Vec<_> = answers.iter().take(4).copied().collect();
    assert_eq!(first, [(10, true), (11, true), (12, true), (13, true)]);
    assert!(answers[4..].iter().all(|(_, stored)| !stored), "{answers:?}");
}

#[tokio::test]
async fn a_service_that_is_slow_for_all_is_not_asked_for_each_partition_again_and_again() {
    let harness = fresh().await;
    let slow = std::time::Duration::from_millis(1_300);
    fake(&harness).fail((0..13).map(|_| (SEND, Fault::Slow(slow))));
    for round in ["a", "b", "c"] {
        let envelopes: Vec<_> = (0..10).map(|partition| outgoing(partition, round)).collect();
        assert!(harness.queue.send(&envelopes).await.iter().all(Result::is_ok));
    }
    // The first request is divided; the next ones are given the time that they need.
    assert_eq!(sizes(&harness), [10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10, 10]);
}
