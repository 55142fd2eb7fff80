//! Which commands go to the dead letters, with which reason, and that the others are applied.

use engine::Entry;
use engine::bounds::POISON_TRIES_MAX;
use engine::handler::StepError;
use proptest::prelude::*;
use rstest::rstest;

use super::Base::{self, Postgres, Sqlite};
use super::steps::cut_off_in_commit;
use super::{Bench, applied};
use crate::support::tally::{POISON, Seen, Trouble};
use crate::support::{NOW, VISIBILITY_MS};

#[rstest]
#[tokio::test]
async fn only_the_command_that_is_refused_is_buried(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    let poison = POISON.to_string();
    bench.send_numbers(0, [1, 2]).await;
    bench.send(0, "mixed", &["3", &poison, "4", &poison, "5"]).await;
    bench.send_numbers(0, [6]).await;
    let mut writer = bench.writer();
    // The refusal may be temporary: the handler retries with pauses before it gives a command up.
    for _ in 1..POISON_TRIES_MAX {
        assert!(matches!(writer.step(NOW).await, Err(StepError::Store(ledger::Error::Refused { .. }))));
        assert_eq!((bench.dead().await.len(), bench.numbers(0).await), (0, vec![]));
    }
    assert_eq!(writer.step(NOW).await.unwrap(), applied(4, 6));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2, 3, 4, 5, 6], 0));
    assert_eq!(bench.kept(0).await.journal, [(1, vec![]), (2, vec![]), (3, vec![1, 3]), (4, vec![])]);
    let dead = bench.dead().await;
    let ids: Vec<_> = dead.iter().map(|letter| letter.id.clone()).collect();
    let inbox = bench.queue.inbox_id();
    assert_eq!(ids, [format!("{inbox}/0/3/1"), format!("{inbox}/0/3/3")]);
    assert!(dead[0].reason.starts_with("the store refuses it: "), "{}", dead[0].reason);
    // Refused commands need no load. The search for the bad one loads only what it rehearses.
    let loaded = bench.loaded();
    assert_eq!(loaded.last().unwrap(), &[1, 2, 3, 4, 5, 6]);
    assert!(loaded.contains(&vec![1, 2, 3]) && loaded.contains(&vec![1, 2, 3, 4, POISON, 5]), "{loaded:?}");
    let entry = Entry::read("another", 7, &dead[0].body).unwrap();
    assert_eq!((entry.id(), entry.payload), ("mixed.1".to_owned(), poison.as_str()));
}

#[rstest]
#[tokio::test]
async fn a_poisoned_batch_loses_nothing_that_stood_behind_it(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    // More than one batch: the handler keeps reading while the commit is refused.
    bench.send_numbers(0, 1..=600).await;
    let mut writer = bench.writer();
    bench.drain(&mut writer).await;
    let expected: Vec<_> = (1..=600).filter(|number| *number != POISON).collect();
    assert_eq!((bench.numbers(0).await, bench.left().await), (expected, 0));
    assert_eq!(bench.dead().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn what_is_no_envelope_is_buried_whole(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send_numbers(0, [1]).await;
    let newer = bench.envelope(1, "newer", &["7"]).replace("\"v\":1", "\"v\":2");
    let bodies = ["", "not json", "[]", "{\"v\":1}", &newer];
    for (index, body) in bodies.iter().enumerate() {
        bench.send_body(0, &format!("bad-{index}"), body).await;
    }
    bench.send_numbers(0, [2]).await;
    assert_eq!(bench.writer().step(NOW).await.unwrap(), applied(7, 2));
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1, 2], 0));
    let dead = bench.dead().await;
    assert_eq!(dead.iter().map(|letter| letter.body.as_str()).collect::<Vec<_>>(), bodies);
    let ids: Vec<_> =
        (2..=6).map(|sequence| format!("{}/0/{sequence}/all", bench.queue.inbox_id())).collect();
    assert_eq!(dead.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>(), ids);
    assert!(dead[1].reason.starts_with("not an envelope: "), "{}", dead[1].reason);
    assert!(dead[4].reason.starts_with("envelope version 2 is unknown"), "{}", dead[4].reason);
    let buried: Vec<_> = bench.kept(0).await.journal.into_iter().map(|(_, buried)| buried.len()).collect();
    assert_eq!(buried, [0, 1, 1, 1, 1, 1, 0]);
}

#[rstest]
#[tokio::test]
async fn within_an_envelope_only_the_command_is_buried(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send(0, "mixed", &["1", "\"x\"", "-1", "2"]).await;
    assert_eq!(bench.writer().step(NOW).await.unwrap(), applied(1, 2));
    assert_eq!(bench.numbers(0).await, [1, 2]);
    assert_eq!(bench.kept(0).await.journal, [(1, vec![1, 2])]);
    let dead = bench.dead().await;
    let inbox = bench.queue.inbox_id();
    let ids: Vec<_> = dead.iter().map(|letter| letter.id.as_str()).collect();
    assert_eq!(ids, [format!("{inbox}/0/1/1"), format!("{inbox}/0/1/2")]);
    assert_eq!(dead[0].reason, "mixed.1 is no number: \"x\"");
    assert_eq!(dead[1].reason, "is negative");
    // A command keeps its id when it is sent again.
    let entry = Entry::read("another", 7, &dead[1].body).unwrap();
    assert_eq!((entry.id(), entry.payload), ("mixed.2".to_owned(), "-1"));
}

#[rstest]
#[tokio::test]
async fn dead_letters_are_kept_before_the_position_moves(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    bench.send(0, "mixed", &["1", "-1"]).await;
    bench.send_body(0, "bad", "bad").await;
    bench.tally.trouble([Trouble::Hangs]);
    let mut writer = bench.writer();
    cut_off_in_commit(&bench, &mut writer).await;
    assert_eq!(bench.tally.seen.lock().last(), Some(&Seen::Commits { unacked: 2, dead: 2 }));
    assert_eq!(bench.kept(0).await.position.sequence, 0);
    let before = bench.dead().await;
    drop(writer);
    bench.clock.advance(VISIBILITY_MS);
    assert_eq!(bench.writer().step(NOW).await.unwrap(), applied(2, 1));
    assert_eq!(bench.dead().await, before, "the same letters, once");
    assert_eq!((bench.numbers(0).await, bench.left().await), (vec![1], 0));
}

#[rstest]
#[tokio::test]
async fn what_belongs_elsewhere_is_buried_and_sent_again_to_where_it_belongs(
    #[values(Sqlite, Postgres)] base: Base,
) {
    let bench = Bench::new(base, 2).await;
    let own = engine::partition_of("ada", 2);
    let other = 1 - own;
    bench.send(own, "own", &["1", "\"ada:2\""]).await;
    bench.send(other, "other", &["3", "\"ada:4\"", "5"]).await;
    let mut writer = bench.writer();
    bench.drain(&mut writer).await;
    assert_eq!((bench.numbers(own).await, bench.numbers(other).await), (vec![1, 2], vec![3, 5]));
    let dead = bench.dead().await;
    let reasons: Vec<_> = dead.iter().map(|letter| (letter.partition, letter.reason.as_str())).collect();
    let reason = format!("belongs to partition {own}, but is in partition {other}");
    assert_eq!(reasons, [(other, reason.as_str())]);

    assert_eq!(engine::dlq::redrive(&bench.queue, &*bench.tally, 2, &[]).await.unwrap(), 1);
    bench.drain(&mut writer).await;
    assert_eq!((bench.numbers(own).await, bench.numbers(other).await), (vec![1, 2, 4], vec![3, 5]));
    assert_eq!((bench.left().await, bench.dead().await), (0, vec![]));
}

#[rstest]
#[tokio::test]
async fn a_reason_is_cut_short(#[values(Sqlite, Postgres)] base: Base) {
    let bench = Bench::new(base, 1).await;
    let long = format!("\"{}\"", "é".repeat(5_000));
    bench.send(0, "long", &[&long]).await;
    bench.writer().step(NOW).await.unwrap();
    let dead = bench.dead().await;
    assert_eq!(dead[0].reason.chars().count(), engine::bounds::REASON_CHARS_MAX);
    assert!(dead[0].body.contains(&long), "the body is whole");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The result does not depend on how commands are packed into messages, or messages into batches.
    #[test]
    fn packing_and_batching_change_nothing(
        numbers in prop::collection::vec(prop_oneof![9 => 100_i64..1000, 1 => Just(-1)], 1..60),
        sizes in prop::collection::vec((1_usize..7, any::<bool>()), 60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(Sqlite, 1).await;
            let mut writer = bench.writer();
            let mut rest = numbers.as_slice();
            for (index, (size, step)) in sizes.into_iter().enumerate() {
                let (packed, after) = rest.split_at(size.min(rest.len()));
                rest = after;
                let packed: Vec<_> = packed.iter().map(i64::to_string).collect();
                let packed: Vec<_> = packed.iter().map(String::as_str).collect();
                if !packed.is_empty() {
                    bench.send(0, &index.to_string(), &packed).await;
                }
                if step {
                    writer.step(NOW).await.unwrap();
                }
            }
            bench.drain(&mut writer).await;
            let good: Vec<_> = numbers.iter().copied().filter(|number| *number >= 0).collect();
            assert_eq!(bench.dead().await.len(), numbers.len() - good.len());
            assert_eq!(bench.numbers(0).await, good);
            assert_eq!(bench.left().await, 0);
        });
    }
}
