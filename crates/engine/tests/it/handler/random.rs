//! All failures at random while messages keep arriving: in the end each message was applied once, in order, or is in
//! the dead letters once.

use std::ops::Range;

use engine::handler::Step;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;

use super::Base::{self, Postgres, Sqlite};
use super::Bench;
use crate::support::tally::{POISON, Trouble};
use crate::support::{NOW, VISIBILITY_MS};

const TROUBLES: [Trouble; 7] = [
    Trouble::None,
    Trouble::None,
    Trouble::Prefetch,
    Trouble::Commit,
    Trouble::Ambiguous,
    Trouble::Fenced,
    Trouble::LeaseLost,
];

/// More turns than are ever needed until everything is applied.
const TURNS_MAX: u32 = 1_000;

async fn play(base: Base, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let bench = Bench::new(base, 2).await;
    let mut writers = [bench.writer(), bench.writer()];
    let mut sent = [Vec::new(), Vec::new()];
    for turn in 0..60 {
        let index = rng.random_range(0..2);
        match rng.random_range(0..10) {
            0 => bench.clock.advance(VISIBILITY_MS),
            1..5 => {
                for more in 0..rng.random_range(1..4) {
                    let number = if rng.random_ratio(1, 8) { POISON } else { turn + 100 };
                    let partition = u16::try_from(index).unwrap();
                    bench.send(partition, &format!("{turn}-{more}"), &[&number.to_string()]).await;
                    sent[index].push(number);
                }
            }
            5..7 => bench.tally.trouble([TROUBLES[rng.random_range(0..TROUBLES.len())]]),
            // A message that arrives during a step must not be lost by read-ahead.
            _ => {
                let number = turn + 500;
                let id = format!("late-{turn}");
                let late = async {
                    for _ in 0..rng.random_range(0..40) {
                        tokio::task::yield_now().await;
                    }
                    bench.send(0, &id, &[&number.to_string()]).await;
                };
                let (_, ()) = tokio::join!(writers[index].step(NOW), late);
                sent[0].push(number);
            }
        }
    }
    bench.tally.troubles.lock().clear();
    let (mut idle, mut turns) = (0, 0);
    while idle < 4 {
        turns += 1;
        for writer in &mut writers {
            let step = writer.step(NOW).await;
            assert!(turns < TURNS_MAX, "seed {seed} does not end: {step:?}");
            match step {
                Ok(Step::Idle) => idle += 1,
                _ => idle = 0,
            }
        }
        bench.clock.advance(VISIBILITY_MS);
    }
    let mut poisoned = 0;
    for (partition, sent) in (0..).zip(&sent) {
        let good: Vec<_> = sent.iter().copied().filter(|number| *number != POISON).collect();
        assert_eq!(bench.numbers(partition).await, good, "seed {seed}, partition {partition}");
        assert_eq!(
            bench.kept(partition).await.journal.len(),
            sent.len(),
            "seed {seed}, partition {partition}"
        );
        poisoned += sent.len() - good.len();
    }
    assert_eq!(bench.left().await, 0, "seed {seed}");
    assert_eq!(bench.dead().await.len(), poisoned, "seed {seed}");
}

#[rstest]
#[tokio::test]
async fn whatever_goes_wrong_each_message_is_applied_once_and_in_order(
    #[values((Sqlite, 0..20), (Sqlite, 20..40), (Postgres, 40..50))] (base, seeds): (Base, Range<u64>),
) {
    for seed in seeds {
        crate::support::in_time(play(base, seed)).await;
    }
}
