//! Operators' rounds.

use std::time::Duration;

use server::bounds::{LEAD_MS_MAX, LEAD_MS_MIN};
use server::scheduler::OpenError;
use tokio::time::timeout;

use super::restarts::cut_off;
use super::*;

/// A step that takes this long is assumed to wait for a lock.
const LOCKED: Duration = Duration::from_millis(300);

/// The round in the way, and until when.
async fn overlap(scheduler: &Scheduler, lead_ms: i64) -> (u64, i64) {
    match scheduler.open_now(lead_ms).await {
        Err(OpenError::Overlaps { other, wait_ms }) => (other, wait_ms),
        other => panic!("this overlaps: {other:?}"),
    }
}

#[tokio::test]
async fn it_opens_after_its_lead_and_is_everywhere_by_then() {
    let bench = Bench::new().await;
    let round = bench.scheduler(1).open_now(700).await.unwrap();
    assert_eq!(round, Round::new(1, NOW_MS + 700, 100_000, 10_000).unwrap());
    let sent = bench.sent().await;
    assert_eq!((announced(&sent, 0), announced(&sent, 1)), (vec![round], vec![round]));
    let row = bench.latest().await;
    assert_eq!((row.round, row.by_operator, row.stage), (round, true, Stage::Announced));
}

#[tokio::test]
async fn it_replaces_the_round_that_was_drawn_and_the_buffer_begins_anew() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    scheduler.step().await.unwrap();
    let drawn = bench.latest().await.round;
    bench.clock.advance(1_000);
    let round = scheduler.open_now(LEAD_MS).await.unwrap();
    assert_eq!((round.id, round.opens_at_ms), (1, NOW_MS + 1_000 + LEAD_MS));
    assert_ne!(drawn, round);
    assert_eq!(announced(&bench.sent().await, 0), [round], "the drawn one was never heard of");
    scheduler.step().await.unwrap();
    let next = bench.latest().await;
    assert_eq!((next.round.id, next.stage, next.by_operator), (2, Stage::Drawn, false));
    assert!(next.round.opens_at_ms >= round.opens_at_ms + GAP_MS + 1_000);
}

#[tokio::test]
async fn the_wait_is_exact() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    let first = scheduler.open_now(LEAD_MS).await.unwrap();
    for drawn_after in [false, true] {
        if drawn_after {
            scheduler.step().await.unwrap(); // the round before the drawn one is in the way
            assert_eq!(bench.latest().await.round.id, 2);
        }
        let (other, wait_ms) = overlap(&scheduler, 500).await;
        assert_eq!((other, wait_ms), (1, first.cutoff_max_ms() + 1 - bench.clock.now_ms() - 500));
        bench.clock.advance(wait_ms / 2);
    }
    let (_, wait_ms) = overlap(&scheduler, 500).await;
    bench.clock.advance(wait_ms - 1);
    assert_eq!(overlap(&scheduler, 500).await, (1, 1));
    bench.clock.advance(1);
    let second = scheduler.open_now(500).await.unwrap();
    assert_eq!((second.id, second.opens_at_ms), (2, first.cutoff_max_ms() + 1));
}

#[tokio::test]
async fn a_lead_out_of_range_opens_nothing() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    for lead_ms in [i64::MIN, -1, 0, LEAD_MS_MIN - 1, LEAD_MS_MAX + 1, i64::MAX] {
        let refused = scheduler.open_now(lead_ms).await;
        assert!(matches!(refused, Err(OpenError::Invalid(_))), "{lead_ms}: {refused:?}");
    }
    assert_eq!((bench.table.latest().await.unwrap(), bench.left().await), (None, 0));
    let round = scheduler.open_now(LEAD_MS_MIN).await.unwrap();
    assert_eq!(round.opens_at_ms, NOW_MS + LEAD_MS_MIN);
}

#[tokio::test]
async fn an_overlap_changes_nothing() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    scheduler.open_now(LEAD_MS).await.unwrap();
    scheduler.step().await.unwrap();
    bench.sent().await;
    let before = bench.latest().await;
    overlap(&scheduler, LEAD_MS).await;
    assert_eq!((bench.latest().await, bench.left().await), (before, 0));
}

#[tokio::test]
async fn two_at_once_open_one_round() {
    for seed in 0..20 {
        let bench = Bench::new().await;
        let (one, two) = (bench.scheduler(seed), bench.another(seed + 100).await);
        if seed % 2 == 0 {
            one.step().await.unwrap(); // with and without a drawn round to replace
        }
        let lead_ms = if seed % 3 == 0 { LEAD_MS } else { LEAD_MS + 1 };
        let (first, second) = tokio::join!(one.open_now(LEAD_MS), two.open_now(lead_ms));
        // If both asked for the same round, it belongs to one operator.
        let (opened, (refused, asked_ms)) = match (&first, &second) {
            (Ok(round), Err(refused)) => (round, (refused, lead_ms)),
            (Err(refused), Ok(round)) => (round, (refused, LEAD_MS)),
            _ => panic!("seed {seed}: {first:?} {second:?}"),
        };
        let wait = opened.cutoff_max_ms() + 1 - (NOW_MS + asked_ms);
        assert!(
            matches!(refused, OpenError::Overlaps { other: 1, wait_ms } if *wait_ms == wait),
            "seed {seed}: {refused}"
        );
        let sent = bench.sent().await;
        for partition in 0..PARTITIONS {
            assert_eq!(announced(&sent, partition), [*opened], "seed {seed}");
        }
        assert_eq!(bench.latest().await.round, *opened);
    }
}

#[tokio::test]
async fn it_never_overtakes_an_earlier_announcement() {
    let bench = Bench::new().await;
    let earlier = bench.half_announced(1, NOW_MS + 1_000).await;
    let scheduler = bench.scheduler(1);
    let lead_ms = earlier.cutoff_max_ms() + 1 - NOW_MS;
    let round = scheduler.open_now(lead_ms).await.unwrap();
    let sent = bench.sent().await;
    for partition in 0..PARTITIONS {
        assert_eq!(announced(&sent, partition), [earlier, round]);
    }
    for id in [1, 2] {
        assert_eq!(bench.table.get(id).await.unwrap().unwrap().stage, Stage::Announced);
    }
}

/// An operator's round opens if no round is in the way, whatever another scheduler does meanwhile.
#[tokio::test]
async fn another_scheduler_in_the_middle_of_it_is_no_harm() {
    for overdue in [false, true] {
        for polls in 0..40 {
            let bench = Bench::new().await;
            let (one, other) = (bench.scheduler(1), bench.another(2).await);
            one.step().await.unwrap();
            if overdue {
                // The drawn round was not announced in time: the other scheduler is about to draw again.
                bench.go_to(bench.latest().await.round.opens_at_ms);
            }
            let mut opening = Box::pin(one.open_now(LEAD_MS));
            let opened = cut_off(opening.as_mut(), polls).await;
            // The other scheduler completes its step, unless it waits for the inbox, which the first may have locked.
            let mut stepping = Box::pin(other.step());
            let stepped = timeout(LOCKED, stepping.as_mut()).await.ok();
            let opening = async {
                match opened {
                    Some(opened) => opened,
                    None => opening.await,
                }
            };
            let opened = match stepped {
                Some(stepped) => {
                    stepped.unwrap();
                    opening.await
                }
                None => {
                    let (opened, stepped) = tokio::join!(opening, stepping);
                    stepped.unwrap();
                    opened
                }
            };
            let round =
                opened.unwrap_or_else(|error| panic!("overdue {overdue}, after {polls} polls: {error}"));
            let row = bench.table.get(1).await.unwrap().unwrap();
            assert_eq!((row.round, row.by_operator, row.stage), (round, true, Stage::Announced));
            let sent = bench.sent().await;
            for partition in 0..PARTITIONS {
                assert_eq!(announced(&sent, partition), [round], "overdue {overdue}, after {polls} polls");
            }
        }
    }
}
