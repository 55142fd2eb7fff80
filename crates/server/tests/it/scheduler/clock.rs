//! Rows that a fast clock left in the table, seen by a correct clock.

use server::bounds::{CLOCKS_DIFFER_MS_MAX, DRAW_MEANS_MAX, LEAD_MS_MAX};
use server::scheduler::OpenError;

use super::*;

const HOUR_MS: i64 = 3_600_000;
/// The latest opening that a correct clock draws.
const LATEST_MS: i64 = GAP_MS + DRAW_MEANS_MAX * 10_000 * 1_000;

#[tokio::test]
async fn a_round_that_was_drawn_is_drawn_anew() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    bench.clock.set_by(LATEST_MS);
    scheduler.step().await.unwrap();
    let drawn = bench.latest().await;
    bench.clock.set_by(-LATEST_MS);
    assert!(scheduler.step().await.unwrap() <= bench.clock.now_ms(), "it looks again at once");
    let anew = bench.latest().await;
    assert!(
        anew.round.opens_at_ms < drawn.round.opens_at_ms - LATEST_MS / 2,
        "{anew:?} in place of {drawn:?}"
    );
    assert_eq!((anew.round.id, anew.stage), (1, Stage::Drawn));
    // A round that may be drawn by chance stays.
    scheduler.step().await.unwrap();
    bench.clock.set_by(-HOUR_MS);
    scheduler.step().await.unwrap();
    assert_eq!(bench.latest().await, anew);
    assert_eq!((bench.sent().await, scheduler.waiting()), (vec![], None));
}

#[tokio::test]
async fn a_round_that_was_fixed_stays_and_operators_are_told() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    let fixed = bench.half_announced(1, NOW_MS + HOUR_MS).await;
    scheduler.step().await.unwrap();
    assert_eq!(announced(&bench.sent().await, 0), [fixed]);
    let waiting = scheduler.waiting().unwrap();
    assert!(waiting.contains("announced round 1 opens in 3600 s"), "{waiting}");
    bench.clock.advance(60_000);
    assert!(scheduler.waiting().unwrap().contains("opens in 3540 s"), "how long is told as it is now");
    // The next round is drawn after it, however often the scheduler steps.
    for _ in 0..3 {
        scheduler.step().await.unwrap();
    }
    let next = bench.latest().await.round;
    assert!(next.id == 2 && next.opens_at_ms > fixed.opens_at_ms + GAP_MS, "{next:?}");
    assert!(scheduler.waiting().is_some());
    let refused = scheduler.open_now(LEAD_MS).await.unwrap_err();
    assert!(matches!(refused, OpenError::Overlaps { other: 1, .. }), "{refused:?}");
    bench.go_to(fixed.opens_at_ms - LEAD_MS - ANNOUNCE_MARGIN_MS - CLOCKS_DIFFER_MS_MAX);
    scheduler.step().await.unwrap();
    assert_eq!(scheduler.waiting(), None);
}

#[tokio::test]
async fn what_is_announced_as_it_should_be_is_waited_for_without_a_word() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    bench.half_announced(1, NOW_MS + LEAD_MS).await;
    scheduler.step().await.unwrap();
    assert_eq!(scheduler.waiting(), None);
    bench.clock.advance(GAP_MS);
    scheduler.open_now(LEAD_MS_MAX).await.unwrap();
    scheduler.step().await.unwrap();
    assert_eq!(scheduler.waiting(), None, "an operator may ask for so long a lead");
}
