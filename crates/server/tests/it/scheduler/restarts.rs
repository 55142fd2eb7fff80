//! A long run with restarts at any point and with two schedulers: no round is skipped or doubled.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use rand::RngExt;

use super::*;
use crate::support::in_time;

/// Invariants of the table and of everything ever sent. `exact`: nothing was sent twice.
async fn check(bench: &Bench, sent: &[Sent], exact: bool) -> u64 {
    let last = bench.latest().await.round.id;
    let mut rows = BTreeMap::new();
    for id in 1..=last {
        rows.insert(id, bench.table.get(id).await.unwrap().expect("no id is left out"));
    }
    for (before, after) in rows.values().zip(rows.values().skip(1)) {
        let gap_ms = after.round.opens_at_ms - before.round.opens_at_ms;
        assert!(gap_ms > GAP_MS, "round {} opens {gap_ms} ms after the one before", after.round.id);
        assert!(before.stage == Stage::Announced || after.stage == Stage::Drawn);
    }
    let finished: Vec<_> = rows.values().filter(|row| row.ticks_sent == 5).collect();
    for partition in 0..PARTITIONS {
        let mut heard = announced(sent, partition);
        let ticks = ticked(sent, partition);
        if exact {
            assert!(heard.is_sorted_by(|a, b| a.id < b.id), "{heard:?}");
            assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
        }
        for round in &heard {
            assert_eq!(rows[&round.id].round, *round, "all announcements of a round are identical");
        }
        heard.dedup();
        assert!(heard.is_sorted_by(|a, b| a.id < b.id), "in order, a resend right behind: {heard:?}");
        for row in &finished {
            assert!(heard.contains(&row.round), "round {} was never announced", row.round.id);
            assert!(ticks.contains(&row.round.cutoff_max_ms()), "round {} was never settled", row.round.id);
        }
    }
    for announcement in sent {
        if let Action::Announce(round) = announcement.action {
            let early_ms = round.opens_at_ms - announcement.at_ms;
            assert!(early_ms <= LEAD_MS + ANNOUNCE_MARGIN_MS, "{early_ms} ms is too early");
            assert!(early_ms >= LEAD_MS, "{early_ms} ms is too late");
        }
    }
    finished.len() as u64
}

/// Polls at most this many times; `None` if the work was not complete by then.
pub(super) async fn cut_off<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn restarts_at_any_point_neither_skip_nor_double() {
    let bench = Bench::new().await;
    let mut rng = StdRng::seed_from_u64(42);
    let (mut sent, mut cuts) = (Vec::new(), 0);
    let end_ms = NOW_MS + 1_500_000_000;
    while bench.clock.now_ms() < end_ms {
        let scheduler = bench.scheduler(rng.random());
        // Most steps are cut off; their effects stay, and time passes.
        match in_time(cut_off(scheduler.step(), rng.random_range(1..12))).await {
            Some(wake_ms) => bench.go_to(wake_ms.unwrap().max(bench.clock.now_ms())),
            None => {
                cuts += 1;
                bench.clock.advance(rng.random_range(0..3));
            }
        }
        sent.extend(bench.sent().await);
    }
    let rounds = check(&bench, &sent, false).await;
    assert!(rounds > 70, "{rounds} rounds");
    assert!(cuts > 100, "{cuts} restarts");
}

#[tokio::test]
async fn two_schedulers_over_one_table_are_as_one() {
    let bench = Bench::new().await;
    let (one, two) = (bench.scheduler(1), bench.another(2).await);
    let mut sent = Vec::new();
    let end_ms = NOW_MS + 1_500_000_000;
    for turn in 0.. {
        let wake_ms = match turn % 3 {
            0 => one.step().await.unwrap().min(two.step().await.unwrap()),
            1 => two.step().await.unwrap().min(one.step().await.unwrap()),
            _ => {
                let (one, two) = tokio::join!(one.step(), two.step());
                one.unwrap().min(two.unwrap())
            }
        };
        sent.extend(bench.sent().await);
        bench.go_to(wake_ms.max(bench.clock.now_ms()));
        if wake_ms > end_ms {
            break;
        }
    }
    let rounds = check(&bench, &sent, true).await;
    assert!(rounds > 70, "{rounds} rounds");
}

#[tokio::test]
async fn a_table_that_was_left_alone_for_long_goes_on_in_order() {
    let bench = Bench::new().await;
    let mut rng = StdRng::seed_from_u64(5);
    let mut sent = Vec::new();
    for _ in 0..60 {
        bench.clock.advance(rng.random_range(0..30_000_000));
        // The next scheduler does everything that is due.
        let scheduler = bench.scheduler(rng.random());
        while scheduler.step().await.unwrap() <= bench.clock.now_ms() {}
        sent.extend(bench.sent().await);
    }
    check(&bench, &sent, true).await;
    assert!(bench.latest().await.round.id > 30);
}
