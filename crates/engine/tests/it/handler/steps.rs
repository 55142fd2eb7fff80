//! The order of the steps, and the state after each of them fails.

use engine::Envelope;
use engine::bounds::FENCED_TRIES_MAX;
use engine::handler::{Step, StepError};
use rstest::rstest;

use super::Base::{self, Postgres, Sqlite};
use super::{Bench, applied, fails};
use crate::support::tally::{Seen, Trouble};
use crate::support::{NOW, VISIBILITY_MS};

#[rstest]
#[tokio::test]
async fn nothing_to_do_is_idle(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    assert_eq!(bench.writer().step(NOW).await.unwrap(), Step::Idle);
    assert_eq!(*bench.tally.seen.lock(), []);
}

#[rstest]
#[tokio::test]
async fn a_batch_is_prefetched_applied_committed_and_then_acked(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send(0, "a", &["1", "2"]).await;
    bench.send(0, "b", &["3"]).await;
    assert_eq!(bench.writer().step(NOW).await.unwrap(), applied(2, 3));
    let expected = [
        Seen::Loaded(vec![1, 2, 3]),
        Seen::Applied(1),
        Seen::Applied(2),
        Seen::Applied(3),
        Seen::Commits { unacked: 2, dead: 0 },
        Seen::Committed { from: 0, to: 2 },
    ];
    assert_eq!(*bench.tally.seen.lock(), expected);
    assert_eq!(bench.left().await, 0);
    let kept = bench.kept(0).await;
    assert_eq!((kept.position.sequence, kept.numbers), (2, vec![1, 2, 3]));
    assert_eq!(kept.journal, [(1, vec![]), (2, vec![])]);
}

#[rstest]
#[tokio::test]
async fn what_the_store_cannot_do_just_now_comes_again_and_is_never_buried(
    #[values(Sqlite, Postgres)] base: Base,
) {
    for trouble in [Trouble::Prefetch, Trouble::Commit] {
        let bench = Bench::new(base, 1).await;
        bench.send_numbers(0, [1, 2]).await;
        bench.tally.trouble([trouble; 20]);
        let mut writer = bench.writer();
        for _ in 0..20 {
            let error = fails(&mut writer).await;
            assert!(matches!(error, StepError::Store(ledger::Error::Busy { .. })), "{error:?}");
            assert_eq!(bench.left().await, 2, "nothing is acked");
            assert!(bench.numbers(0).await.is_empty());
        }
        // The lease is held throughout: receiving again during an outage would raise the inbox's receive count.
        assert_eq!(bench.writer().step(NOW).await.unwrap(), Step::Idle);
        assert_eq!(writer.step(NOW).await.unwrap(), applied(2, 2), "{trouble:?}");
        assert_eq!(bench.numbers(0).await, [1, 2]);
        assert_eq!((bench.left().await, bench.dead().await), (0, vec![]));
    }
}

#[rstest]
#[tokio::test]
async fn a_commit_that_happened_unheard_is_not_repeated(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1, 2]).await;
    bench.tally.trouble([Trouble::Ambiguous]);
    let mut writer = bench.writer();
    assert!(matches!(fails(&mut writer).await, StepError::Store(_)));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 2));
    bench.send_numbers(0, [3]).await;
    assert_eq!(writer.step(NOW).await.unwrap(), applied(0, 0), "both were applied before");
    assert_eq!(writer.step(NOW).await.unwrap(), applied(1, 1));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2, 3], 0));
    // Messages at or before the position are not loaded.
    assert_eq!(bench.loaded(), [vec![1, 2], vec![3]]);
}

#[rstest]
#[tokio::test]
async fn an_ack_that_came_too_late_leaves_nothing_to_apply(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1, 2]).await;
    bench.tally.trouble([Trouble::LeaseLost]);
    let mut writer = bench.writer();
    assert_eq!(writer.step(NOW).await.unwrap(), Step::Lost);
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 2));
    assert_eq!(writer.step(NOW).await.unwrap(), applied(0, 0), "redelivered, and found applied");
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 0));
    assert_eq!(bench.tally.commits(), 1);
}

#[rstest]
#[tokio::test]
async fn a_fenced_batch_is_read_again_and_given_back_when_that_does_not_help(
    #[values(Sqlite, Postgres)] base: Base,
) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1]).await;
    bench.tally.trouble([Trouble::Fenced]);
    let mut writer = bench.writer();
    assert_eq!(writer.step(NOW).await.unwrap(), applied(1, 1));
    assert_eq!(bench.tally.seen.lock().iter().filter(|seen| matches!(seen, Seen::Loaded(_))).count(), 2);

    bench.send_numbers(0, [2]).await;
    bench.tally.trouble(vec![Trouble::Fenced; FENCED_TRIES_MAX as usize]);
    assert_eq!(writer.step(NOW).await.unwrap(), Step::Lost);
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1], 1));
    assert_eq!(writer.step(NOW).await.unwrap(), applied(1, 1));
    assert_eq!(bench.numbers(0).await, [1, 2]);
}

#[rstest]
#[tokio::test]
async fn a_message_of_another_game_stops_the_writer_and_nothing_is_acked(
    #[values(Sqlite, Postgres)] base: Base,
) {
    let bench = Bench::new(base, 2).await;
    let own = bench.envelope(2, "own", &["1"]);
    let inbox = own.replace(bench.queue.inbox_id(), "another");
    let partitions = bench.envelope(3, "partitions", &["2"]);
    for (foreign, reason) in [(inbox, "inbox another with 2"), (partitions, "with 3 partitions")] {
        let bench = Bench::new(base, 2).await;
        let foreign = foreign.replace(&own_id(&own), bench.queue.inbox_id());
        bench.send(1, "own", &["1"]).await;
        bench.send_body(1, "foreign", &foreign).await;
        let mut writer = bench.writer();
        for _ in 0..2 {
            let error = fails(&mut writer).await;
            assert!(matches!(&error, StepError::Foreign(text) if text.contains(reason)), "{error}");
        }
        assert_eq!(bench.left().await, 2);
        assert_eq!((bench.numbers(1).await, bench.tally.commits(), bench.dead().await), (vec![], 0, vec![]));
        let stop = tokio_util::sync::CancellationToken::new();
        let ended = crate::support::in_time(writer.run(NOW, stop)).await;
        assert!(matches!(ended, Err(StepError::Foreign(_))), "the loop ends: {ended:?}");
    }
}

#[rstest]
#[tokio::test]
async fn a_writer_of_an_inbox_that_was_replaced_stops(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1]).await;
    let mut writer = bench.writer_of(2);
    assert!(matches!(fails(&mut writer).await, StepError::Foreign(_)));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![], 1));
    assert_eq!(bench.writer().step(NOW).await.unwrap(), applied(1, 1), "given back at once");
}

fn own_id(envelope: &str) -> String {
    Envelope::decode(envelope).unwrap().inbox.into_owned()
}

#[rstest]
#[tokio::test]
async fn a_step_that_was_cut_off_is_taken_up_again(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1, 2]).await;
    bench.tally.trouble([Trouble::Hangs]);
    let mut writer = bench.writer();
    cut_off_in_commit(&bench, &mut writer).await;
    assert_eq!(writer.step(NOW).await.unwrap(), Step::Idle, "the lease still holds");
    bench.clock.advance(VISIBILITY_MS);
    assert_eq!(writer.step(NOW).await.unwrap(), applied(2, 2));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 0));
}

/// Steps until a commit has begun, then drops the step.
pub(super) async fn cut_off_in_commit(bench: &Bench, writer: &mut engine::Handler<super::Tally>) {
    let before = bench.tally.commits();
    let step = writer.step(NOW);
    let begun = async {
        while bench.tally.commits() == before || !bench.tally.troubles.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        step = step => panic!("the commit returned: {step:?}"),
        () = begun => {}
    }
}

#[rstest]
#[tokio::test]
async fn a_writer_that_is_stopped_ends_without_losing_anything(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, 100..700).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let run = bench.writer().run(NOW, stop.clone());
    let stopping = async {
        while bench.numbers(0).await.is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (ended, ()) = crate::support::in_time(async { tokio::join!(run, stopping) }).await;
    ended.unwrap();
    // The next handler continues at once: messages that were read ahead were released.
    bench.drain(&mut bench.writer()).await;
    assert_eq!(bench.numbers(0).await, (100..700).collect::<Vec<_>>());
}
