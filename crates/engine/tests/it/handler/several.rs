//! Batches of several partitions at once, as SQS delivers them: each is settled separately, and all leases are renewed
//! meanwhile.

use std::time::Duration;

use engine::Entry;
use engine::clock::Clock;
use engine::handler::{Step, StepError};
use futures_util::TryStreamExt as _;
use tokio_util::sync::CancellationToken;

use super::Base::Sqlite;
use super::{Bench, applied};
use crate::support::tally::Trouble;
use crate::support::{ALL, NOW, Site, VISIBILITY_MS, in_time};

/// The shortest visibility; the server measures it by its own clock.
const SECOND_MS: i64 = 1_000;
/// A visibility that a busy machine can still renew in time: two thirds of it may pass unused.
const KEPT_MS: i64 = 6_000;

impl Bench {
    /// Over SQS, with one number in each partition.
    async fn one_in_each(partitions: u16, visibility_ms: i64) -> Self {
        Self::sqs(partitions, visibility_ms).await.with_one_in_each().await
    }

    /// The same with the system's clock, so that retries do not shift due times.
    async fn one_in_each_by_the_clock(partitions: u16, visibility_ms: i64) -> Self {
        let site = Site::sqs_by(Clock::System, None, visibility_ms).await;
        Self::at(site, Sqlite, partitions, visibility_ms).await.with_one_in_each().await
    }

    async fn with_one_in_each(self) -> Self {
        for partition in 0..self.partitions {
            self.send_numbers(partition, [100 + i64::from(partition)]).await;
        }
        self
    }

    /// Waits until this many commits have begun.
    async fn commits_begin(&self, commits: usize) {
        while self.tally.commits() < commits {
            tokio::task::yield_now().await;
        }
    }

    /// Checks for longer than one visibility that no message becomes visible.
    async fn nothing_comes_back(&self) {
        let wait = Duration::from_millis((self.visibility_ms * 3 / 2).unsigned_abs());
        assert_eq!(self.queue.receive(ALL, wait).await.unwrap(), []);
    }

    /// Checks that each number was applied and acked once.
    async fn all_is_done(&self) {
        for partition in 0..self.partitions {
            assert_eq!(self.numbers(partition).await, [100 + i64::from(partition)]);
        }
        assert_eq!((self.left().await, self.dead().await), (0, vec![]));
    }
}

#[tokio::test]
async fn each_partition_is_settled_for_itself() {
    in_time(async {
        let bench = Bench::one_in_each(4, VISIBILITY_MS).await;
        let mut writer = bench.writer();
        for left in (0..4).rev() {
            assert_eq!(writer.step(NOW).await.unwrap(), applied(1, 1));
            assert_eq!(bench.left().await, left);
            assert_eq!(bench.queue.receive(ALL, NOW).await.unwrap(), [], "one receive took all");
        }
        assert_eq!(writer.step(NOW).await.unwrap(), Step::Idle);
        bench.all_is_done().await;
    })
    .await;
}

#[tokio::test]
async fn all_leases_are_kept_alive_during_a_slow_commit() {
    in_time(async {
        let bench = Bench::one_in_each_by_the_clock(3, KEPT_MS).await;
        bench.tally.trouble([Trouble::Waits]);
        let mut writer = bench.writer();
        let waiting = async {
            bench.commits_begin(1).await;
            bench.nothing_comes_back().await;
            bench.tally.go.add_permits(1);
        };
        let (step, ()) = tokio::join!(writer.step(NOW), waiting);
        assert_eq!(step.unwrap(), applied(1, 1));
        assert_eq!(bench.drain(&mut writer).await, [applied(1, 1); 2]);
        bench.all_is_done().await;
    })
    .await;
}

#[tokio::test]
async fn all_leases_are_kept_alive_during_pauses() {
    in_time(async {
        let bench = Bench::one_in_each_by_the_clock(2, KEPT_MS).await;
        // The retry pauses together outlast a lease: at least half of 50 ms, doubled each time, up to half of 5 s.
        bench.tally.trouble([Trouble::Commit; 9]);
        let stop = CancellationToken::new();
        let run = bench.writer().run(NOW, stop.clone());
        let waiting = async {
            bench.commits_begin(1).await;
            bench.nothing_comes_back().await;
            while bench.left().await > 0 {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(run, waiting);
        ended.unwrap();
        assert_eq!(bench.tally.commits(), 11);
        bench.all_is_done().await;
    })
    .await;
}

#[tokio::test]
async fn what_another_has_taken_over_is_dropped() {
    in_time(async {
        let bench = Bench::one_in_each(2, SECOND_MS).await;
        bench.tally.trouble([Trouble::Waits]);
        let (mut slow, mut fast) = (bench.writer(), bench.writer());
        let takeover = async {
            bench.commits_begin(1).await;
            // As if the process had been suspended: it can no longer renew the lease.
            bench.clock.advance(SECOND_MS);
            while bench.left().await > 0 {
                fast.step(Duration::from_secs(1)).await.unwrap();
            }
            bench.tally.go.add_permits(1);
        };
        let (step, ()) = tokio::join!(slow.step(NOW), takeover);
        assert_eq!(step.unwrap(), Step::Lost);
        assert_eq!(slow.step(NOW).await.unwrap(), Step::Idle, "the other partition was let go too");
        assert_eq!(bench.tally.commits(), 3);
        bench.all_is_done().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_lost_meanwhile_is_not_begun() {
    in_time(async {
        let bench = Bench::one_in_each(2, SECOND_MS).await;
        bench.tally.trouble([Trouble::LeaseLost]);
        let mut writer = bench.writer();
        assert_eq!(writer.step(NOW).await.unwrap(), Step::Lost);
        assert_eq!(writer.step(NOW).await.unwrap(), Step::Lost);
        assert_eq!((bench.tally.commits(), bench.left().await), (1, 2), "nothing of either is acked");
        // The server redelivers at its own time; one message turns out to be applied already.
        let mut commands = 0;
        while bench.left().await > 0 {
            if let Step::Applied { commands: more, .. } = writer.step(Duration::from_secs(1)).await.unwrap() {
                commands += more;
            }
        }
        assert_eq!(commands, 1);
        bench.all_is_done().await;
    })
    .await;
}

#[tokio::test]
async fn a_writer_that_stops_gives_all_back() {
    in_time(async {
        let bench = Bench::one_in_each(3, VISIBILITY_MS).await;
        bench.tally.trouble([Trouble::Waits]);
        let stop = CancellationToken::new();
        let run = bench.writer().run(NOW, stop.clone());
        let stopping = async {
            bench.commits_begin(1).await;
            stop.cancel();
            bench.tally.go.add_permits(1);
        };
        let (ended, ()) = tokio::join!(run, stopping);
        ended.unwrap();
        assert_eq!(bench.queue.receive(ALL, NOW).await.unwrap().len(), 2, "at once");
    })
    .await;
}

#[tokio::test]
async fn a_writer_that_must_not_go_on_gives_all_back() {
    in_time(async {
        let bench = Bench::sqs(3, VISIBILITY_MS).await;
        let foreign = bench.envelope(9, "foreign", &["1"]);
        for partition in 0..3 {
            bench.send_body(partition, &format!("foreign-{partition}"), &foreign).await;
        }
        assert!(matches!(bench.writer().step(NOW).await, Err(StepError::Foreign(_))));
        assert_eq!(bench.queue.receive(ALL, NOW).await.unwrap().len(), 3, "at once");

        // The store tells the handler that its inbox was replaced.
        let bench = Bench::one_in_each(3, VISIBILITY_MS).await;
        assert!(matches!(bench.writer_of(2).step(NOW).await, Err(StepError::Foreign(_))));
        assert_eq!(bench.queue.receive(ALL, NOW).await.unwrap().len(), 3, "at once");
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_was_sent_again_and_buried_anew_is_a_new_one() {
    in_time(async {
        let bench = Bench::sqs(2, VISIBILITY_MS).await;
        assert!(bench.queue.inbox_id().starts_with("arn:aws:sqs:"), "{}", bench.queue.inbox_id());
        bench.send(1, "mixed", &["1", "-1"]).await;
        bench.send_body(1, "bad", "no envelope").await;
        let mut writer = bench.writer();
        bench.drain(&mut writer).await;
        let first = bench.dead().await;
        let inbox = bench.queue.inbox_id();
        let ids: Vec<_> = first.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(ids, [format!("{inbox}/1/1/1"), format!("{inbox}/1/2/all")]);
        // The message goes to the dead letters again, because the commit after the first time failed.
        bench.queue.bury(&first).await.unwrap();
        assert_eq!(bench.dead().await, first);
        assert_eq!(engine::dlq::list(&bench.queue).try_collect::<Vec<_>>().await.unwrap(), first);

        let one = std::slice::from_ref(&first[0].id);
        assert_eq!(engine::dlq::redrive(&bench.queue, &*bench.tally, 2, one).await.unwrap(), 1);
        assert_eq!(engine::dlq::redrive(&bench.queue, &*bench.tally, 2, &[]).await.unwrap(), 1);
        assert_eq!(bench.dead().await, []);
        bench.drain(&mut writer).await;
        let anew = bench.dead().await;
        let ids: Vec<_> = anew.iter().map(|letter| letter.id.as_str()).collect();
        assert_eq!(ids, [format!("{inbox}/1/3/0"), format!("{inbox}/1/4/all")]);
        assert_eq!(anew[1].body, "no envelope");
        let entry = Entry::read("another", 7, &anew[0].body).unwrap();
        assert_eq!((entry.id(), entry.payload), ("mixed.1".to_owned(), "-1"));
        assert_eq!((bench.numbers(1).await, bench.left().await), (vec![1], 0));
    })
    .await;
}

#[tokio::test]
async fn what_a_queue_that_was_made_anew_holds_is_not_taken_for_applied() {
    in_time(async {
        let bench = Bench::sqs(1, VISIBILITY_MS).await;
        bench.send_numbers(0, [1, 2, 3]).await;
        let mut writer = bench.writer();
        bench.drain(&mut writer).await;
        let position = bench.kept(0).await.position;
        let arn = bench.queue.inbox_id().split('@').next().unwrap();
        servers::sqs::server().make_anew(arn.rsplit(':').next().unwrap()).await;
        // Sent by a process that has not noticed either.
        bench.send(0, "anew", &["4"]).await;
        let error = writer.step(NOW).await.unwrap_err();
        assert!(matches!(error, StepError::Queue(queue::Error::Replaced { .. })), "{error:?}");
        let ended = bench.writer().run(NOW, CancellationToken::new()).await;
        assert!(matches!(ended, Err(StepError::Queue(queue::Error::Replaced { .. }))), "{ended:?}");
        let left = bench.queue.receive(ALL, NOW).await.unwrap();
        let [queue::Delivery { messages, .. }] = &left[..] else { panic!("{left:?}") };
        assert_eq!(messages[0].id, "anew");
        assert!(messages[0].sequence.0 <= position.sequence, "by the position it is applied: {messages:?}");
        assert_eq!(bench.numbers(0).await, [1, 2, 3]);
    })
    .await;
}
