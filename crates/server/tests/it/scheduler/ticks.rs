//! The ticks: one shortly after each possible cutoff.

use server::bounds::TICK_DELAY_MS;

use super::*;

#[tokio::test]
async fn every_cutoff_is_ticked_everywhere_and_not_before() {
    let bench = Bench::new().await;
    let round = bench.half_announced(1, NOW_MS + LEAD_MS).await;
    let scheduler = bench.scheduler(1);
    scheduler.step().await.unwrap();
    bench.sent().await;
    let seconds = [110, 165, 220, 330, 550];
    assert_eq!(round.cutoffs_ms(), seconds.map(|seconds| round.opens_at_ms + seconds * 1_000));
    for (index, cutoff_ms) in (1..).zip(round.cutoffs_ms()) {
        bench.go_to(cutoff_ms + TICK_DELAY_MS - 1);
        assert_eq!(scheduler.step().await.unwrap(), cutoff_ms + TICK_DELAY_MS);
        assert_eq!(bench.left().await, 0);
        bench.go_to(cutoff_ms + TICK_DELAY_MS);
        scheduler.step().await.unwrap();
        let sent = bench.sent().await;
        assert_eq!(sent.len(), usize::from(PARTITIONS));
        for partition in 0..PARTITIONS {
            assert_eq!(ticked(&sent, partition), [cutoff_ms]);
        }
        assert_eq!(bench.table.get(1).await.unwrap().unwrap().ticks_sent, index);
        scheduler.step().await.unwrap();
        assert_eq!(bench.left().await, 0, "once");
    }
    assert!(bench.table.unfinished().await.unwrap().iter().all(|row| row.round.id == 2));
}

#[tokio::test]
async fn one_tick_stands_for_all_that_are_overdue() {
    for (due, then) in [(1, 5), (3, 5), (4, 5), (5, 5)] {
        let bench = Bench::new().await;
        let cutoffs_ms = bench.half_announced(1, NOW_MS + LEAD_MS).await.cutoffs_ms();
        let scheduler = bench.scheduler(1);
        scheduler.step().await.unwrap();
        bench.sent().await;
        bench.go_to(cutoffs_ms[due - 1] + TICK_DELAY_MS + 7);
        scheduler.step().await.unwrap();
        let sent = bench.sent().await;
        assert_eq!(
            (ticked(&sent, 0), ticked(&sent, 1)),
            (vec![cutoffs_ms[due - 1]], vec![cutoffs_ms[due - 1]])
        );
        bench.go_to(cutoffs_ms[then - 1] + TICK_DELAY_MS);
        scheduler.step().await.unwrap();
        let rest = if due < then { vec![cutoffs_ms[then - 1]] } else { vec![] };
        assert_eq!(ticked(&bench.sent().await, 1), rest);
    }
}

#[tokio::test]
async fn an_overdue_round_is_announced_before_it_is_ticked() {
    let bench = Bench::new().await;
    let round = bench.half_announced(1, NOW_MS + LEAD_MS).await;
    bench.go_to(round.cutoff_max_ms() + TICK_DELAY_MS);
    bench.scheduler(1).step().await.unwrap();
    let own: Vec<_> = bench.sent().await.into_iter().filter(|sent| sent.partition == 1).collect();
    let tick = Action::Tick { through_ms: round.cutoff_max_ms() };
    assert_eq!(own.into_iter().map(|sent| sent.action).collect::<Vec<_>>(), [Action::Announce(round), tick]);
}
