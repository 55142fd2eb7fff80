//! The scheduler's table: compare-and-swap while a round is secret, then only forward changes.

use game::Round;
use store::{Scheduled, Stage};

use crate::harness::{Fresh, round};

fn drawn(round: Round) -> Scheduled {
    Scheduled { round, by_operator: false, stage: Stage::Drawn, ticks_sent: 0 }
}

fn later(round: Round, by_ms: i64) -> Round {
    Round { opens_at_ms: round.opens_at_ms + by_ms, ..round }
}

pub(crate) async fn the_first_insert_wins(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let schedule = fresh.store.schedule().await.unwrap();
    assert_eq!(schedule.latest().await.unwrap(), None);
    assert_eq!(schedule.get(1).await.unwrap(), None);
    let first = Scheduled { by_operator: true, ..drawn(round(1)) };
    assert!(schedule.insert_if_absent(&first).await.unwrap());
    for taken in [first, drawn(later(round(1), 5))] {
        assert!(!schedule.insert_if_absent(&taken).await.unwrap(), "whoever is second did not insert it");
        assert_eq!(schedule.get(1).await.unwrap(), Some(first));
    }
    let all_set = Scheduled { stage: Stage::Announced, ticks_sent: 5, ..drawn(round(2)) };
    assert!(schedule.insert_if_absent(&all_set).await.unwrap());
    assert_eq!(schedule.get(1).await.unwrap(), Some(first));
    assert_eq!(schedule.latest().await.unwrap(), Some(all_set));
    assert_eq!(schedule.unfinished().await.unwrap(), [first]);
}

pub(crate) async fn replace_drawn_compares(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let schedule = fresh.store.schedule().await.unwrap();
    let (old, new) = (round(1), Round::new(1, round(1).opens_at_ms + 60_000, 8_000, 2_000).unwrap());
    let replaced = Scheduled { by_operator: true, ..drawn(new) };
    assert!(!schedule.replace_drawn(&old, &replaced).await.unwrap(), "there is none");
    schedule.insert_if_absent(&drawn(old)).await.unwrap();
    assert!(!schedule.replace_drawn(&later(old, 1), &replaced).await.unwrap(), "it opens at another time");
    assert!(!schedule.replace_drawn(&old, &drawn(round(2))).await.unwrap(), "another id");
    assert_eq!(schedule.get(1).await.unwrap(), Some(drawn(old)));
    assert!(schedule.replace_drawn(&old, &replaced).await.unwrap());
    assert_eq!(schedule.get(1).await.unwrap(), Some(replaced));
    let fixed = Scheduled { round: later(new, 1), stage: Stage::Announcing, ..replaced };
    assert!(!schedule.replace_drawn(&old, &fixed).await.unwrap(), "it opens at another time by now");
    assert!(schedule.replace_drawn(&new, &fixed).await.unwrap(), "replaced and fixed in one step");
    assert!(!schedule.replace_drawn(&fixed.round, &drawn(old)).await.unwrap(), "fixed for ever");
    assert!(!schedule.replace_drawn(&fixed.round, &fixed).await.unwrap(), "once");
    assert_eq!(schedule.get(1).await.unwrap(), Some(fixed));
}

pub(crate) async fn stages_and_ticks_only_move_on(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let schedule = fresh.store.schedule().await.unwrap();
    assert!(!schedule.announced(1).await.unwrap());
    for n in [2, 1] {
        schedule.insert_if_absent(&drawn(round(n))).await.unwrap();
    }
    assert_eq!(schedule.unfinished().await.unwrap(), [drawn(round(1)), drawn(round(2))]);
    assert!(!schedule.announced(1).await.unwrap(), "not fixed");
    let fixed = Scheduled { stage: Stage::Announcing, ..drawn(round(1)) };
    assert!(schedule.replace_drawn(&round(1), &fixed).await.unwrap());
    assert_eq!(schedule.unfinished().await.unwrap(), [fixed, drawn(round(2))]);
    for _ in 0..2 {
        assert!(schedule.announced(1).await.unwrap());
    }
    let announced = Scheduled { stage: Stage::Announced, ..fixed };
    assert!(!schedule.replace_drawn(&round(1), &fixed).await.unwrap(), "it does not go back");
    for (ticks, stand) in [(3, 3), (1, 3), (4, 4), (4, 4)] {
        schedule.ticked(1, ticks).await.unwrap();
        let ticked = Scheduled { ticks_sent: stand, ..announced };
        assert_eq!(schedule.unfinished().await.unwrap(), [ticked, drawn(round(2))]);
    }
    schedule.ticked(1, 5).await.unwrap();
    assert_eq!(schedule.unfinished().await.unwrap(), [drawn(round(2))]);
}

pub(crate) async fn two_schedulers_race(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let (one, two) = (fresh.store.schedule().await.unwrap(), fresh.store.schedule().await.unwrap());
    for n in 1..20 {
        // In every second race both write the same value.
        let (ours, theirs) = (drawn(round(n)), drawn(later(round(n), i64::from(n % 2 == 0))));
        let (a, b) = tokio::join!(one.insert_if_absent(&ours), two.insert_if_absent(&theirs));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a ^ b, "exactly one inserts it");
        let won = if a { ours } else { theirs };
        for schedule in [&one, &two] {
            assert_eq!(schedule.get(n).await.unwrap(), Some(won), "both see the row that won");
        }
        let before = won.round;
        let (ours, theirs) = (drawn(later(round(n), 10)), drawn(later(round(n), 20)));
        let (a, b) = tokio::join!(one.replace_drawn(&before, &ours), two.replace_drawn(&before, &theirs));
        assert!(a.unwrap() ^ b.unwrap(), "exactly one swaps");
        let before = one.get(n).await.unwrap().unwrap().round;
        let replaced = drawn(later(before, 5));
        let fixed = Scheduled { stage: Stage::Announcing, ..drawn(before) };
        let (a, b) = tokio::join!(one.replace_drawn(&before, &replaced), two.replace_drawn(&before, &fixed));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a ^ b, "what was fixed stays");
        assert_eq!(two.get(n).await.unwrap(), Some(if a { replaced } else { fixed }));
    }
}
