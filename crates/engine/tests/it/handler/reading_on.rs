//! Read-ahead in a held partition: in order, and without starving other partitions.

use engine::bounds::{BATCH_MESSAGES_MAX, READ_AHEAD_MAX};
use queue::Outgoing;
use rstest::rstest;

use super::Base::{self, Postgres, Sqlite};
use super::{Bench, applied};
use crate::support::NOW;
use crate::support::tally::Trouble;

impl Bench {
    /// Sends these numbers at once.
    async fn send_many(&self, partition: u16, numbers: impl IntoIterator<Item = i64>) {
        let outgoing = |number: i64| {
            let id = format!("{partition}-{number}");
            let body = self.site.envelope(self.partitions, &id, &[&(number + 100).to_string()]);
            Outgoing { partition, id, body, quiet: false }
        };
        let all: Vec<_> = numbers.into_iter().map(outgoing).collect();
        for result in self.queue.send(&all).await {
            result.unwrap();
        }
    }
}

const BATCH: i64 = BATCH_MESSAGES_MAX as i64;

#[rstest]
#[tokio::test]
async fn the_next_batch_is_read_while_the_one_before_is_committed(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_many(0, 0..3 * BATCH).await;
    let mut writer = bench.writer();
    assert_eq!(bench.drain(&mut writer).await, vec![applied(BATCH_MESSAGES_MAX, BATCH_MESSAGES_MAX); 3]);
    assert_eq!(bench.numbers(0).await, (100..100 + 3 * BATCH).collect::<Vec<_>>());
    assert_eq!(bench.left().await, 0);
}

#[rstest]
#[tokio::test]
async fn other_partitions_get_their_turn(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 2).await;
    let turns = i64::from(READ_AHEAD_MAX) + 1;
    bench.send_many(0, 0..BATCH).await;
    bench.send_many(1, [0]).await;
    bench.send_many(0, BATCH..BATCH * (turns + 4)).await;
    let mut writer = bench.writer();
    let mut steps = 0;
    while bench.numbers(1).await.is_empty() {
        writer.step(NOW).await.unwrap();
        steps += 1;
        assert!(steps <= turns + 1, "partition 1 starves");
    }
    assert_eq!(
        bench.numbers(0).await.len(),
        usize::try_from(BATCH * turns).unwrap(),
        "it did read on until then"
    );
    bench.drain(&mut writer).await;
    assert_eq!(
        bench.numbers(0).await,
        (100..100 + BATCH * (turns + 4)).collect::<Vec<_>>(),
        "in order all the same"
    );
    assert_eq!(bench.left().await, 0);
}

#[rstest]
#[tokio::test]
async fn what_was_read_on_comes_again_in_order_after_a_failure(#[values(Sqlite, Postgres)] base: Base) {
    for troubles in [
        vec![Trouble::Commit],
        vec![Trouble::Ambiguous],
        vec![Trouble::Fenced],
        vec![Trouble::Fenced; 3],
        vec![Trouble::None, Trouble::Commit],
        vec![Trouble::None, Trouble::Fenced, Trouble::Commit, Trouble::Fenced],
    ] {
        let bench = Bench::new(base, 1).await;
        bench.send_many(0, 0..3 * BATCH).await;
        bench.tally.trouble(troubles.clone());
        let mut writer = bench.writer();
        // The clock is stopped: nothing may depend on a lease that expires.
        for _ in 0..12 {
            let _ = writer.step(NOW).await;
        }
        assert_eq!(bench.numbers(0).await, (100..100 + 3 * BATCH).collect::<Vec<_>>(), "{troubles:?}");
        assert_eq!(bench.left().await, 0, "{troubles:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_batch_does_not_grow_while_the_store_is_out(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_many(0, 0..8 * BATCH).await;
    bench.tally.trouble([Trouble::Commit; 6]);
    let mut writer = bench.writer();
    for _ in 0..6 {
        super::fails(&mut writer).await;
    }
    for step in bench.drain(&mut writer).await {
        assert_eq!(step, applied(BATCH_MESSAGES_MAX, BATCH_MESSAGES_MAX));
    }
    assert_eq!(bench.numbers(0).await, (100..100 + 8 * BATCH).collect::<Vec<_>>());
    assert_eq!(bench.left().await, 0);
}
