//! Two handlers on one inbox: the position decides which one commits.

use engine::handler::Step;
use rstest::rstest;

use super::Base::{self, Postgres, Sqlite};
use super::{Bench, applied};
use crate::support::tally::Trouble;
use crate::support::{NOW, VISIBILITY_MS, in_time};

#[rstest]
#[tokio::test]
async fn a_writer_whose_lease_ran_out_is_fenced_off(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1, 2]).await;
    bench.tally.trouble([Trouble::Waits]);
    let (mut slow, mut fast) = (bench.writer(), bench.writer());
    let takeover = async {
        while bench.tally.commits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fast.step(NOW).await.unwrap(), Step::Idle, "the partition is held");
        bench.clock.advance(VISIBILITY_MS);
        bench.send_numbers(0, [3]).await;
        assert_eq!(fast.step(NOW).await.unwrap(), applied(3, 3));
        bench.tally.go.add_permits(1);
    };
    let (step, ()) = in_time(async { tokio::join!(slow.step(NOW), takeover) }).await;
    assert_eq!(step.unwrap(), Step::Lost);
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2, 3], 0));
    assert_eq!(slow.step(NOW).await.unwrap(), Step::Idle, "it goes on afterwards");
}

#[rstest]
#[tokio::test]
async fn a_writer_that_is_fenced_off_in_the_middle_of_somebody_elses_batch_gives_way(
    #[values(Sqlite, Postgres)] base: Base,
) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1, 2]).await;
    bench.tally.trouble([Trouble::Waits, Trouble::Ambiguous]);
    let (mut slow, mut fast) = (bench.writer(), bench.writer());
    let takeover = async {
        while bench.tally.commits() == 0 {
            tokio::task::yield_now().await;
        }
        bench.clock.advance(VISIBILITY_MS);
        // It commits and holds the partition, but the answer is lost.
        fast.step(NOW).await.unwrap_err();
        bench.tally.go.add_permits(1);
    };
    let (step, ()) = in_time(async { tokio::join!(slow.step(NOW), takeover) }).await;
    assert_eq!(step.unwrap(), Step::Lost);
    assert_eq!(bench.left().await, 2, "who has no lease acks nothing");
    assert_eq!(fast.step(NOW).await.unwrap(), applied(0, 0));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 0));
}

#[rstest]
#[tokio::test]
async fn writers_side_by_side_share_the_partitions(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 4).await;
    for partition in 0..4 {
        bench.send_numbers(partition, 100..120).await;
    }
    let (mut one, mut other) = (bench.writer(), bench.writer());
    let (one, other) = in_time(async { tokio::join!(bench.drain(&mut one), bench.drain(&mut other)) }).await;
    let messages = |steps: &[Step]| -> usize {
        let messages = |step: &Step| if let Step::Applied { messages, .. } = step { *messages } else { 0 };
        steps.iter().map(messages).sum()
    };
    assert_eq!(messages(&one) + messages(&other), 80, "nothing is done twice");
    for partition in 0..4 {
        assert_eq!(bench.numbers(partition).await, (100..120).collect::<Vec<_>>());
    }
    assert_eq!(bench.left().await, 0);
}
