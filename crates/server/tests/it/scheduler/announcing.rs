//! Drawing rounds, and announcing them to every partition in time.

use queue::{DEDUP_MS, Options};
use server::bounds::LEAD_MS_MIN;
use server::scheduler::{OpenError, SchedulerError};
use store::Stage;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::support::{in_time, unlock};

#[tokio::test]
async fn a_round_is_drawn_and_stays_secret() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    let wake_ms = bench.scheduler(7).step().await.unwrap();
    let row = bench.latest().await;
    assert_eq!((row.round.id, row.stage, row.by_operator, row.ticks_sent), (1, Stage::Drawn, false, 0));
    assert_eq!((row.round.window_ms, row.round.grace_ms), (100_000, 10_000));
    assert!(row.round.opens_at_ms > NOW_MS);
    assert_eq!(wake_ms, row.round.opens_at_ms - LEAD_MS - ANNOUNCE_MARGIN_MS);
    assert_eq!(bench.left().await, 0);
    // The same random numbers give the same round, others another.
    other.scheduler(7).step().await.unwrap();
    assert_eq!(other.latest().await, row);
    let another = Bench::new().await;
    another.scheduler(8).step().await.unwrap();
    assert_ne!(another.latest().await.round, row.round);
}

#[tokio::test]
async fn it_is_announced_everywhere_in_time_and_not_before() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler(1);
    let wake_ms = scheduler.step().await.unwrap();
    let round = bench.latest().await.round;
    for at_ms in [NOW_MS + 1_000, wake_ms - 1] {
        bench.go_to(at_ms);
        assert_eq!(scheduler.step().await.unwrap(), wake_ms);
        assert_eq!((bench.left().await, bench.latest().await.stage), (0, Stage::Drawn));
    }
    bench.go_to(wake_ms);
    scheduler.step().await.unwrap();
    let sent = bench.sent().await;
    assert_eq!(sent.len(), usize::from(PARTITIONS));
    for partition in 0..PARTITIONS {
        assert_eq!(announced(&sent, partition), [round]);
    }
    assert_eq!(bench.table.get(1).await.unwrap().unwrap().stage, Stage::Announced);
    // The next round is drawn only now, and nothing is sent again.
    let next = bench.latest().await;
    assert_eq!((next.round.id, next.stage), (2, Stage::Drawn));
    assert!(next.round.opens_at_ms >= round.opens_at_ms + GAP_MS + 1_000);
    bench.go_to(round.opens_at_ms);
    scheduler.step().await.unwrap();
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_full_inbox_delays_the_announcement_and_changes_nothing_in_it() {
    let site = Site::with(Options { file_bytes_max: 1 << 20, ..Options::default() }).await;
    let bench = Bench::over(site).await;
    let scheduler = bench.scheduler(1);
    let wake_ms = scheduler.step().await.unwrap();
    let round = bench.latest().await.round;
    bench.fill().await;
    bench.go_to(wake_ms);
    for _ in 0..3 {
        let failed = scheduler.step().await;
        assert!(matches!(failed, Err(SchedulerError::Queue(queue::Error::Full { .. }))), "{failed:?}");
        let row = bench.latest().await;
        assert_eq!(
            (row.round, row.stage),
            (round, Stage::Announcing),
            "fixed, and nothing is drawn after it"
        );
        bench.clock.advance(100);
    }
    assert!(bench.drain().await.iter().all(|(_, message)| message.id.starts_with("filler")));
    scheduler.step().await.unwrap();
    let sent = bench.sent().await;
    assert_eq!((announced(&sent, 0), announced(&sent, 1)), (vec![round], vec![round]));
    assert_eq!(bench.table.get(1).await.unwrap().unwrap().stage, Stage::Announced);
}

/// A fixed round must be announced, however late: nobody could press in it from its opening on.
#[tokio::test]
async fn while_the_inbox_is_away_no_round_is_fixed() {
    for by_operator in [false, true] {
        let bench = Bench::new().await;
        let scheduler = bench.scheduler(1);
        let wake_ms = scheduler.step().await.unwrap();
        let drawn = bench.latest().await;
        bench.go_to(wake_ms);
        let lock = bench.lock_inbox().await;
        if by_operator {
            let failed = scheduler.open_now(LEAD_MS).await;
            assert!(matches!(failed, Err(OpenError::Failed(SchedulerError::Queue(_)))), "{failed:?}");
        } else {
            let failed = scheduler.step().await;
            assert!(matches!(failed, Err(SchedulerError::Queue(_))), "{failed:?}");
        }
        assert_eq!(bench.latest().await, drawn, "nobody is promised a round");
        unlock(lock).await;
        bench.go_to(drawn.round.cutoff_max_ms());
        let now_ms = bench.clock.now_ms();
        scheduler.step().await.unwrap();
        scheduler.step().await.unwrap();
        let row = bench.table.get(1).await.unwrap().unwrap();
        assert_eq!(
            (row.round.opens_at_ms, row.stage),
            (now_ms + LEAD_MS + ANNOUNCE_MARGIN_MS, Stage::Announced)
        );
        let sent = bench.sent().await;
        assert_eq!((announced(&sent, 0), announced(&sent, 1)), (vec![row.round], vec![row.round]));
    }
}

#[tokio::test]
async fn what_was_sent_but_not_noted_is_sent_again_just_the_same() {
    let bench = Bench::new().await;
    bench.half_announced(1, NOW_MS + 600_000).await;
    bench.scheduler(1).step().await.unwrap();
    let first = bench.sent().await;
    // The table as before the announcement was recorded, as if the process had died in between.
    let folder = tempfile::TempDir::new().unwrap();
    for (pause_ms, expected) in [(DEDUP_MS - 1, 0), (1, usize::from(PARTITIONS))] {
        bench.clock.advance(pause_ms);
        let path = folder.path().join(format!("{pause_ms}.sqlite"));
        let store = Store::sqlite(&path, store::Options::default());
        store.migrate().await.unwrap();
        let table = store.schedule().await.unwrap();
        let row = bench.table.get(1).await.unwrap().unwrap();
        table.insert_if_absent(&Scheduled { stage: Stage::Announcing, ..row }).await.unwrap();
        let (rng, clock) = (StdRng::seed_from_u64(2), bench.clock.clone());
        Scheduler::new(table, bench.queue.clone(), clock, rng, options()).step().await.unwrap();
        let again = bench.sent().await;
        assert_eq!(again.len(), expected, "the inbox remembers for five minutes");
        for (first, again) in first.iter().zip(&again) {
            assert_eq!(
                (first.partition, &first.id, &first.action),
                (again.partition, &again.id, &again.action)
            );
        }
    }
}

#[tokio::test]
async fn a_round_that_nobody_announced_in_time_opens_later() {
    for (late_ms, moved) in [(-LEAD_MS_MIN, false), (-LEAD_MS_MIN + 1, true), (0, true), (86_400_000, true)] {
        let bench = Bench::new().await;
        let scheduler = bench.scheduler(3);
        scheduler.step().await.unwrap();
        let drawn = bench.latest().await.round;
        bench.go_to(drawn.opens_at_ms + late_ms);
        let now_ms = bench.clock.now_ms();
        scheduler.step().await.unwrap();
        scheduler.step().await.unwrap();
        let row = bench.table.get(1).await.unwrap().unwrap();
        let opens_at_ms = if moved { now_ms + LEAD_MS + ANNOUNCE_MARGIN_MS } else { drawn.opens_at_ms };
        assert_eq!((row.round.opens_at_ms, row.stage), (opens_at_ms, Stage::Announced), "{late_ms} ms late");
        let sent = bench.sent().await;
        assert_eq!((announced(&sent, 0), announced(&sent, 1)), (vec![row.round], vec![row.round]));
        assert_eq!(bench.latest().await.round.id, 2);
    }
}

#[tokio::test]
async fn without_odds_nothing_opens_by_itself() {
    let bench = Bench::new().await;
    let mut options = options();
    options.cadence.odds = 0;
    let scheduler = bench.with(1, options);
    for _ in 0..3 {
        assert_eq!(scheduler.step().await.unwrap(), i64::MAX);
        bench.clock.advance(1_000_000_000);
    }
    assert_eq!((bench.table.latest().await.unwrap(), bench.left().await), (None, 0));
    // Nor after an operator's round, which is announced completely all the same.
    let round = scheduler.open_now(LEAD_MS).await.unwrap();
    bench.go_to(round.cutoff_max_ms() + 10_000);
    assert_eq!(scheduler.step().await.unwrap(), i64::MAX);
    assert_eq!(bench.latest().await.round, round);
}

#[tokio::test]
async fn the_first_round_can_be_hastened() {
    let bench = Bench::new().await;
    let scheduler = bench.with(1, SchedulerOptions { first_round_ms: Some(5_000), ..options() });
    run_until(&bench, &scheduler, 1, NOW_MS + 5_000).await;
    assert_eq!(bench.left().await, 0, "announced in its time, like any other");
    // After a later restart: not before the buffer after the last round.
    bench.go_to(NOW_MS + 5_000 - LEAD_MS - ANNOUNCE_MARGIN_MS);
    scheduler.step().await.unwrap();
    assert_eq!(bench.table.get(1).await.unwrap().unwrap().stage, Stage::Announced);
    bench.go_to(NOW_MS + 60_000);
    run_until(&bench, &scheduler, 2, NOW_MS + 5_000 + GAP_MS).await;
}

/// Runs until this round of the table opens at this time; the clock is stopped.
async fn run_until(bench: &Bench, scheduler: &Arc<Scheduler>, id: u64, opens_at_ms: i64) {
    let stop = CancellationToken::new();
    let hastened = async {
        loop {
            let row = bench.table.get(id).await.unwrap();
            if row.is_some_and(|row| row.round.opens_at_ms == opens_at_ms) {
                break stop.cancel();
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(async { tokio::join!(Arc::clone(scheduler).run(stop.clone()), hastened) }).await;
}
