//! Queues that are not an inbox, or no longer the one that was opened.

use super::*;

#[tokio::test]
async fn a_queue_that_is_no_inbox_is_refused_with_the_attribute() {
    let harness = fresh().await;
    let fake = fake(&harness);
    let (inbox, dead) = names(&harness);
    let policy = fake.get(inbox, "RedrivePolicy").unwrap();
    // With this policy SQS would soon dead-letter messages that are merely late.
    let seldom = policy.replace("1000", "99");
    assert_ne!(policy, seldom);
    for (queue, attribute, wrong, right) in [
        (inbox, "FifoQueue", None, Some("true")),
        (inbox, "DeduplicationScope", Some("queue"), Some("messageGroup")),
        (inbox, "FifoThroughputLimit", Some("perQueue"), Some("perMessageGroupId")),
        (inbox, "MaximumMessageSize", Some("262144"), Some("1048576")),
        (&dead, "MaximumMessageSize", Some("262144"), Some("1048576")),
        (inbox, "QueueArn", Some("arn:aws:sqs:a:b:c/d"), Some("arn:aws:sqs:a:b:c")),
        (inbox, "QueueArn", Some("arn:aws:sqs:a:b:\"c"), Some("arn:aws:sqs:a:b:c")),
        (inbox, "RedrivePolicy", Some(&*seldom), Some(&*policy)),
        (inbox, "RedrivePolicy", None, None),
    ] {
        fake.set(queue, attribute, wrong);
        let error = harness.reopen(Options::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Unfit { attribute: named, .. } if *named == attribute), "{error:?}");
        assert!(error.to_string().contains(attribute), "{error}");
        assert!(error.is_definite() && !error.is_transient());
        fake.set(queue, attribute, right);
    }
}

#[tokio::test]
async fn a_queue_that_was_made_anew_is_noticed() {
    let harness = fresh().await;
    let (inbox, _) = names(&harness);
    harness.queue.check().await.unwrap();
    let made_at = fake(&harness).get(inbox, "CreatedTimestamp").unwrap();
    let later = (made_at.parse::<u64>().unwrap() + 60).to_string();
    fake(&harness).set(inbox, "CreatedTimestamp", Some(&later));
    for error in [harness.queue.check().await.unwrap_err(), harness.queue.backlog().await.unwrap_err()] {
        assert!(matches!(&error, Error::Replaced { known, found } if known != found), "{error:?}");
        assert!(!error.is_transient());
        assert!(error.to_string().contains(&later), "{error}");
    }
}
