//! Checks of the inbox in SQS only: a service that fails, and queues with a wrong setup.

mod sends;
mod setup;

use std::collections::HashSet;
use std::sync::Arc;

use queue::{DeadLetter, Error, Limit, Options, Outgoing, Queue};

use crate::fake::{Fake, Fault};
use crate::harness::{ALL, Backend, Harness, NOW, ack_all, bodies, outgoing, quiet, send, up_to};
use crate::server::service as service_at;

async fn fresh() -> Harness {
    Harness::new(Backend::Sqs).await
}

/// The names of the queue and of its dead-letter queue.
fn names(harness: &Harness) -> (&str, String) {
    let name = harness.server().1.queue_url.rsplit('/').next().unwrap();
    (name, name.replace(".fifo", "-dead.fifo"))
}

fn fake(harness: &Harness) -> &Fake {
    harness.server().0.as_fake()
}

const SEND: &str = "SendMessageBatch";
const THROTTLED: Fault = Fault::Refuse(400, "RequestThrottled");
const FAILED: Fault = Fault::Refuse(503, "ServiceUnavailable");

#[tokio::test]
async fn a_queue_that_is_not_there_is_refused_and_a_service_that_is_not_there_is_transient() {
    let harness = fresh().await;
    let (server, service) = harness.server();
    let none = service_at(server.address(), service.queue_url.replace("inbox", "none"));
    let error = Queue::open_sqs(&none, Options::default(), Arc::new(|| 0)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(!error.is_transient());
    let mut nowhere = service.clone();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    nowhere.endpoint_url = Some(format!("http://{closed}"));
    let error = Queue::open_sqs(&nowhere, Options::default(), Arc::new(|| 0)).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn the_inbox_is_named_by_arn_and_age() {
    let harness = fresh().await;
    let expected = format!("arn:aws:sqs:us-east-1:000000000000:{}@1700000000", names(&harness).0);
    assert_eq!(harness.queue.inbox_id(), expected);
}

#[tokio::test]
async fn a_request_holds_one_message_of_a_partition_and_ten_in_all() {
    let harness = fresh().await;
    let envelopes: Vec<_> = (0..50_u16).map(|number| outgoing(number % 25, &number.to_string())).collect();
    send(&harness.queue, &envelopes).await;
    let long =
        [0, 1, 2].map(|partition| Outgoing { body: "x".repeat(100_000), ..outgoing(partition, "long") });
    send(&harness.queue, &long).await;
    let mut sizes = Vec::new();
    for request in fake(&harness).requests(SEND) {
        let entries = request["Entries"].as_array().unwrap();
        let partitions: HashSet<_> =
            entries.iter().map(|entry| entry["MessageGroupId"].to_string()).collect();
        assert_eq!(partitions.len(), entries.len());
        sizes.push(entries.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 5, 5, 10, 10, 10, 10]);
}

#[tokio::test]
async fn counts_that_lag_make_no_empty_inbox_and_looking_hides_nothing() {
    let harness = fresh().await;
    harness.send(0, ["a"]).await;
    fake(&harness).fail([("GetQueueAttributes", Fault::LateCounts)]);
    assert!(!harness.queue.is_empty().await.unwrap());
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
    assert_eq!(fake(&harness).requests("ReceiveMessage")[0]["VisibilityTimeout"], 0);
}

#[tokio::test]
async fn closing_leaves_a_send_its_answer() {
    let harness = fresh().await;
    fake(&harness).fail([(SEND, Fault::Hang)]);
    let queue = harness.queue.clone();
    let sending = tokio::spawn(async move { queue.send(&[outgoing(0, "a")]).await });
    while fake(&harness).requests(SEND).is_empty() {
        tokio::task::yield_now().await;
    }
    harness.queue.close().await;
    assert!(matches!(sending.await.unwrap()[..], [Err(Error::Unanswered { .. })]));
}

#[tokio::test]
async fn what_sqs_cannot_keep_fails_alone() {
    let harness = fresh().await;
    let mut nameless = outgoing(0, "c");
    nameless.id = String::new();
    let results =
        harness.queue.send(&[outgoing(0, "a\u{1}"), outgoing(0, ""), nameless, outgoing(0, "d")]).await;
    assert!(
        matches!(
            results[..],
            [Err(Error::Unsendable), Err(Error::Unsendable), Err(Error::Unsendable), Ok(())]
        ),
        "{results:?}"
    );
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["d"]);
}

#[tokio::test]
async fn long_ids_are_told_apart_and_come_back() {
    let harness = fresh().await;
    let ids = ["x".repeat(200), format!("{}y", "x".repeat(200)), "z".repeat(1024)];
    let envelopes = ids.clone().map(|id| Outgoing { partition: 0, id, body: "a".into(), quiet: false });
    send(&harness.queue, &envelopes).await;
    send(&harness.queue, &envelopes).await;
    let got = harness.receive(ALL).await.messages.into_iter().map(|message| message.id);
    assert!(got.eq(ids));
}

#[tokio::test]
async fn acks_and_releases_survive_failures() {
    let harness = fresh().await;
    harness.send(0, ["a", "b", "c"]).await;
    let batch = harness.receive(ALL).await;
    let delete = "DeleteMessageBatch";
    fake(&harness).fail([
        (delete, FAILED),
        (delete, Fault::BreakAfter),
        (delete, Fault::Entry("1", "InternalError")),
    ]);
    harness.queue.ack(&batch.lease, batch.messages[1].sequence).await.unwrap();
    let change = "ChangeMessageVisibilityBatch";
    fake(&harness).fail([(change, THROTTLED), (change, Fault::Entry("0", "InternalError"))]);
    harness.queue.extend(&batch.lease).await.unwrap();
    fake(&harness).fail([(change, FAILED)]);
    harness.queue.release(&batch.lease).await.unwrap();
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["c"]);
}

#[tokio::test]
async fn a_receive_that_fails_is_made_again_and_then_told() {
    let harness = fresh().await;
    harness.send(0, ["a"]).await;
    let receive = "ReceiveMessage";
    fake(&harness).fail([(receive, FAILED), (receive, Fault::Break)]);
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
    fake(&harness).fail((0..4).map(|_| (receive, THROTTLED)));
    let error = harness.queue.receive(ALL, NOW).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn the_service_can_say_that_a_lease_is_lost() {
    let harness = fresh().await;
    harness.send(0, ["a"]).await;
    let (late, early) = (harness.receive(ALL).await, harness.another().await);
    // Another client ended its visibility; the handle's clock cannot know that.
    let client = harness.server().0.client().await;
    let url = &harness.server().1.queue_url;
    let change = client.change_message_visibility_batch().queue_url(url).entries(
        aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry::builder()
            .id("0")
            .receipt_handle(format!("{}/1", late.messages[0].sequence))
            .visibility_timeout(0)
            .build()
            .unwrap(),
    );
    change.send().await.unwrap();
    assert_eq!(early.receive(ALL, NOW).await.unwrap().len(), 1);
    assert!(matches!(harness.queue.extend(&late.lease).await, Err(Error::LeaseLost)));
    assert!(matches!(harness.queue.ack(&late.lease, late.messages[0].sequence).await, Err(Error::LeaseLost)));
}

#[tokio::test]
async fn several_partitions_come_in_one_receive_within_the_limit() {
    let harness = fresh().await;
    for partition in 0..4 {
        harness.send(partition, ["aaaa", "bbbb"]).await;
    }
    let limit = Limit { bytes_max: 8, ..up_to(100) };
    let batches = harness.queue.receive(limit, NOW).await.unwrap();
    let got: usize = batches.iter().map(|batch| batch.messages.len()).sum();
    assert_eq!(got, 2);
    // The rest was released.
    let rest = harness.queue.receive(ALL, NOW).await.unwrap();
    assert_eq!(rest.iter().map(|batch| batch.messages.len()).sum::<usize>(), 6);
    for batch in batches.iter().chain(&rest) {
        ack_all(&harness.queue, batch).await;
    }
    harness.nothing().await;
}

#[tokio::test]
async fn what_nobody_sent_to_the_inbox_is_left_alone() {
    let harness = fresh().await;
    let client = harness.server().0.client().await;
    let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder()
        .id("0")
        .message_body("?")
        .message_deduplication_id("?");
    let entry = entry.message_group_id("other").build().unwrap();
    client.send_message_batch().queue_url(&harness.server().1.queue_url).entries(entry).send().await.unwrap();
    harness.send(0, ["a"]).await;
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
    assert_eq!(harness.queue.backlog().await.unwrap().in_flight, 2);
}

#[tokio::test]
async fn many_messages_that_sqs_moved_are_all_listed() {
    let harness = Harness::with(Backend::Sqs, Options { receive_max: 1, ..Options::default() }).await;
    harness.send(7, 0..25).await;
    for _ in 0..3 {
        harness.queue.receive(ALL, NOW).await.unwrap();
        harness.pass_visibility();
    }
    harness.nothing().await;
    let dead = harness.queue.dead_letters(None, 100).await.unwrap();
    assert_eq!(dead.len(), 25);
    assert!(dead.iter().all(|letter| letter.partition == 7 && letter.reason == "received 1 times"));
    assert_eq!(harness.queue.dead_letters(None, 100).await.unwrap(), dead, "their ids stay");
    assert_eq!(harness.queue.backlog().await.unwrap().dead, 25);
}

#[tokio::test]
async fn a_reason_is_cut_and_cleaned_rather_than_refused() {
    let harness = fresh().await;
    let reason = format!("bad \u{1} {}", "é".repeat(2000));
    let letter = DeadLetter { id: "a".into(), partition: 1, body: "b".into(), reason, buried_at_ms: 5 };
    harness.queue.bury(&[letter]).await.unwrap();
    let kept = harness.queue.dead_letter("a").await.unwrap().unwrap().reason;
    assert!(kept.starts_with("bad \u{FFFD} éé") && kept.len() <= 2048, "{kept}");
}

#[tokio::test]
async fn closing_ends_waiting_and_refuses() {
    let harness = fresh().await;
    let queue = harness.queue.clone();
    let waiting = tokio::spawn(async move { queue.receive(ALL, crate::harness::LONG).await });
    harness.queue.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
    assert!(matches!(harness.queue.send(&[outgoing(0, "a")]).await[..], [Err(Error::Closed)]));
    assert!(matches!(harness.queue.check().await, Err(Error::Closed)));
}

#[tokio::test]
async fn quiet_messages_do_not_tell_their_age() {
    let harness = fresh().await;
    send(&harness.queue, &[quiet(0, "a")]).await;
    harness.advance(10);
    harness.send(1, ["b"]).await;
    harness.queue.receive(ALL, NOW).await.unwrap();
    let backlog = harness.queue.backlog().await.unwrap();
    assert_eq!((backlog.messages, backlog.oldest_sent_at_ms), (2, Some(1_700_000_000_010)));
}

#[tokio::test]
async fn an_id_names_one_burial() {
    let harness = fresh().await;
    let queue = &harness.queue;
    let letter = |id: &str| DeadLetter {
        id: id.into(),
        partition: 1,
        body: "b".into(),
        reason: "r".into(),
        buried_at_ms: 5,
    };
    let (first, anew) = (letter("arn:aws:sqs:a:b:c@1/1/7/all"), letter("arn:aws:sqs:a:b:c@1/1/8/all"));
    queue.bury(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(queue.forget_dead(std::slice::from_ref(&first.id)).await.unwrap(), 1);
    // A repeated dead letter, sent because the first answer was lost, leaves nothing behind.
    queue.bury(&[first, anew.clone()]).await.unwrap();
    assert_eq!(queue.dead_letters(None, 10).await.unwrap(), [anew]);
}

#[tokio::test]
async fn less_than_a_second_of_visibility_is_a_second() {
    let harness = Harness::with(Backend::Sqs, Options { visibility_ms: 1, ..Options::default() }).await;
    harness.send(0, ["a"]).await;
    let batch = harness.receive(ALL).await;
    harness.advance(999);
    harness.nothing().await;
    harness.queue.extend(&batch.lease).await.unwrap();
    harness.advance(1000);
    assert!(matches!(harness.queue.extend(&batch.lease).await, Err(Error::LeaseLost)));
    assert_eq!(bodies(&harness.receive(ALL).await.messages), ["a"]);
}

#[tokio::test]
async fn one_server_holds_two_hundred_inboxes_apart() {
    let server = servers::sqs::server();
    let options = Options::default();
    let mut queues = Vec::new();
    for number in 0..200_u16 {
        let made = server.make(&format!("game-{}_partitions", number % 3), Default::default()).await;
        let service = service_at(server.address(), made.queue_url);
        let queue = Queue::open_sqs(&service, options, Arc::new(|| 0)).await.unwrap();
        send(&queue, &[outgoing(number, "a")]).await;
        queues.push(queue);
    }
    let ids: HashSet<_> = queues.iter().map(Queue::inbox_id).collect();
    assert_eq!(ids.len(), 200);
    for (number, queue) in (0..).zip(&queues) {
        let batches = queue.receive(ALL, NOW).await.unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!((batches[0].lease.partition(), batches[0].messages.len()), (number, 1));
    }
}
