//! Changing the number of partitions: rows move, and nothing else changes.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use game::{Action, KnownRound, World, partition_of};
use ledger::Committed;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{Error, Identity, Migrated, OutboxRow, Position, State};

use crate::batches::{commands, pure, seeds, steps};
use crate::harness::{
    Backend, Fresh, INBOX, NOW_MS, Prefetched, Writer, add, add_device, announce, commit, in_time, player,
    prefetch, press, round, run, seed, user,
};

fn identity(generation: u32, partitions: u16) -> Identity {
    Identity { generation, inbox_id: INBOX.into(), partitions }
}

async fn generations(fresh: &Fresh) -> Vec<Identity> {
    let reader = fresh.store.reader().await.unwrap();
    reader.audit().await.unwrap().generations().await.unwrap()
}

/// Applies the rest of each partition's commands, in batches.
async fn play(writer: &Writer, commands: &[Vec<(i64, Action)>], skip: &[Vec<(i64, Action)>]) {
    for (partition, commands) in (0..).zip(commands) {
        let skip = skip.get(usize::from(partition)).map_or(0, Vec::len);
        for batch in commands[skip..].chunks(7) {
            run(writer, partition, batch).await;
        }
    }
}

/// After any earlier numbers, a game equals one that always had its last number: row by row, including the top.
pub(crate) async fn a_game_is_as_if_it_had_always_had_its_number(fresh: &Fresh) {
    let another = fresh.another().await;
    let cases = match fresh.backend {
        Backend::Sqlite => 16,
        Backend::Postgres => 4,
    };
    let handle = tokio::runtime::Handle::current();
    let check = move || {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let numbers = prop::collection::vec(1..6_u16, 2..4);
        runner.run(&(steps(), numbers), |(steps, numbers)| {
            let (found, expected) = handle.block_on(async {
                let fresh = another.another().await;
                let writer = fresh.game(numbers[0]).await;
                for partition in 0..numbers[0] {
                    seed(&writer, partition, &seeds(partition, numbers[0])).await;
                }
                // The steps are split into as many parts as there are numbers.
                let mut played = 0;
                for (piece, partitions) in (1..).zip(&numbers) {
                    let known = writer.positions().await.unwrap().len();
                    if known != usize::from(*partitions) {
                        writer.repartition(INBOX, *partitions, 0, NOW_MS).await.unwrap();
                    }
                    let until = steps.len() * piece / numbers.len();
                    let (before, all) =
                        (commands(&steps[..played], *partitions), commands(&steps[..until], *partitions));
                    play(&writer, &all, &before).await;
                    played = until;
                }
                let last = *numbers.last().unwrap();
                (fresh.state().await, pure(&commands(&steps, last)).1)
            });
            prop_assert_eq!(found.differences(&expected, 3), vec![]);
            prop_assert_eq!(found, expected);
            Ok(())
        })
    };
    tokio::task::spawn_blocking(check).await.unwrap().unwrap();
    fresh.game(1).await;
}

/// More players and devices than one page moves, in partitions that appear and disappear.
pub(crate) async fn many_players_are_dealt(fresh: &Fresh) {
    let names: Vec<String> = (0..9_000).map(|n| format!("player {n}")).collect();
    let world = |partition, partitions| {
        let mut world = World::default();
        world.apply(game::Stamps::of_arrival(NOW_MS), &Action::Announce(round(1))).unwrap();
        world
            .apply(
                game::Stamps::of_arrival(NOW_MS),
                &Action::Tick { through_ms: NOW_MS + i64::from(partitions) },
            )
            .unwrap();
        for name in names.iter().filter(|name| partition_of(name, partitions) == partition) {
            world
                .apply(game::Stamps::of_arrival(NOW_MS), &add_device(name, &format!("device of {name}")))
                .unwrap();
            world.apply(game::Stamps::of_arrival(round(1).opens_at_ms), &press(name)).unwrap();
        }
        world
    };
    let writer = fresh.game(2).await;
    for partition in 0..2 {
        let from = prefetch(&writer, partition, &[]).await.from;
        assert_eq!(commit(&writer, partition, from, &world(partition, 2), &[]).await, Committed::Done);
    }
    for (generation, partitions) in [(2, 5), (3, 1), (4, 3)] {
        let changed = writer.repartition(INBOX, partitions, 77, NOW_MS).await.unwrap();
        assert_eq!(changed, identity(generation, partitions));
        let mut expected = State::default();
        for partition in 0..partitions {
            let mut world = world(partition, partitions);
            world.applied_through_ms = NOW_MS + 2;
            expected.add_world(partition, &world);
        }
        let state = fresh.state().await;
        assert_eq!(state.differences(&expected, 3), vec![]);
        assert_eq!(state.digests(), expected.digests());
        let position = Position { generation, sequence: 77 };
        let positions: Vec<_> = (0..partitions).map(|partition| (partition, position)).collect();
        assert_eq!(writer.positions().await.unwrap(), positions);
    }
    assert_eq!(generations(fresh).await, [identity(1, 2), identity(2, 5), identity(3, 1), identity(4, 3)]);
}

/// The slowest partition decides up to when everything is applied; another inbox is one more generation.
pub(crate) async fn generations_are_remembered(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    assert_eq!(generations(fresh).await, []);
    let writer = fresh.game(2).await;
    assert_eq!(generations(fresh).await, [identity(1, 2)]);
    for (partition, through_ms) in [(0, NOW_MS + 5), (1, NOW_MS)] {
        run(&writer, partition, &[(NOW_MS, Action::Tick { through_ms })]).await;
    }
    let changed = writer.repartition(INBOX, 3, 0, NOW_MS).await.unwrap();
    assert_eq!(writer.settle_identity(INBOX, 3, NOW_MS).await.unwrap(), changed);
    let through = Vec::from_iter(fresh.state().await.applied_through_ms);
    assert_eq!(through, [(0, NOW_MS), (1, NOW_MS), (2, NOW_MS)]);
    let adopted = writer.adopt_inbox("inbox-2", NOW_MS).await.unwrap();
    let again = writer.repartition("inbox-2", 1, 0, NOW_MS).await.unwrap();
    assert_eq!(generations(fresh).await, [identity(1, 2), changed, adopted.clone(), again.clone()]);
    assert_eq!((adopted.generation, adopted.partitions, again.generation, again.partitions), (3, 3, 4, 1));
}

/// The journal keeps its rows in their partitions, even in partitions that no longer exist.
pub(crate) async fn the_journal_stays(fresh: &Fresh) {
    let writer = fresh.game(3).await;
    for partition in 0..3 {
        run(&writer, partition, &[]).await;
    }
    writer.repartition(INBOX, 1, 9, NOW_MS).await.unwrap();
    run(&writer, 0, &[]).await;
    let reader = fresh.store.reader().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    let mut found = Vec::new();
    for partition in 0..3 {
        let entries = audit.journal(partition, Position::default(), 10).await.unwrap();
        found.extend(
            entries.iter().map(|entry| (partition, entry.position.generation, entry.position.sequence)),
        );
    }
    assert_eq!(found, [(0, 1, 1), (0, 2, 10), (1, 1, 1), (2, 1, 1)]);
}

/// Also if that partition is removed.
pub(crate) async fn what_is_late_in_one_partition_is_late_in_all(fresh: &Fresh) {
    for (fresh, partitions) in [(&fresh.another().await, 1), (fresh, 5)] {
        let writer = fresh.game(3).await;
        let old = Writer::open(&fresh.store).await.unwrap();
        // The first three rounds are late in one partition each.
        for partition in 0..3 {
            for n in 1..=4 {
                let late = n == u64::from(partition) + 1;
                announce(&old, partition, round(n), round(n).opens_at_ms + i64::from(late)).await;
            }
        }
        writer.repartition(INBOX, partitions, 0, NOW_MS).await.unwrap();
        let expected = [1, 2, 3, 4].map(|n| KnownRound { late: n <= 3, ..in_time(n) });
        let state = fresh.state().await;
        assert_eq!(state.rounds.len(), expected.len() * usize::from(partitions));
        for partition in 0..partitions {
            let rounds: Vec<_> =
                state.rounds.range((partition, 0)..=(partition, u64::MAX)).map(|(_, known)| *known).collect();
            assert_eq!(rounds, expected, "partition {partition}");
            assert_eq!(prefetch(&old, partition, &[]).await.world.rounds.as_slice(), expected);
        }
    }
}

pub(crate) async fn a_game_that_is_not_drained_is_refused(fresh: &Fresh) {
    fresh.store.migrate().await.unwrap();
    let writer = Writer::open(&fresh.store).await.unwrap();
    let unsettled = writer.repartition(INBOX, 2, 0, NOW_MS).await.unwrap_err();
    assert!(matches!(unsettled, Error::UnknownPartition { .. }), "{unsettled:?}");

    let writer = fresh.game(2).await;
    let announce = [(NOW_MS, Action::Announce(round(1)))];
    run(&writer, 0, &announce).await;
    let refused = async |inbox_id: &str, partitions, reason: &str| {
        let before = fresh.everything().await;
        let refused = writer.repartition(inbox_id, partitions, 0, NOW_MS).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused:?}");
        assert!(!refused.is_transient());
        assert_eq!(fresh.everything().await, before);
    };
    refused(INBOX, 3, "not every partition has every round yet").await;
    // As many rows as if both partitions knew both rounds.
    run(&writer, 0, &[(NOW_MS, Action::Announce(round(2)))]).await;
    let others = [(NOW_MS, Action::Announce(round(3))), (NOW_MS, Action::Announce(round(4)))];
    run(&writer, 1, &others).await;
    refused(INBOX, 3, "not every partition has every round yet").await;
    fresh.execute("DELETE FROM rounds WHERE partition = 1 OR id = 2").await;
    let writer = Writer::open(&fresh.store).await.unwrap();
    let Prefetched { from, mut world } = prefetch(&writer, 1, &announce).await;
    world.apply(game::Stamps::of_arrival(NOW_MS), &announce[0].1).unwrap();
    let push = OutboxRow {
        topic: "round/1".into(),
        payload: "{}".into(),
        due_at_ms: NOW_MS,
        expires_at_ms: NOW_MS + 1,
    };
    assert_eq!(commit(&writer, 1, from, &world, &[push]).await, Committed::Done);
    refused(INBOX, 3, "1 pushes are pending").await;
    refused(INBOX, 2, "the game already has 2 partitions").await;
    refused("inbox-2", 3, "belongs to inbox").await;

    let outbox = fresh.store.outbox().await.unwrap();
    let job = outbox.take("me", NOW_MS, 1_000).await.unwrap().unwrap();
    assert!(outbox.done(&job, NOW_MS).await.unwrap());
    assert_eq!(writer.repartition(INBOX, 3, 0, NOW_MS).await.unwrap(), identity(2, 3));
    let Prefetched { world, .. } = prefetch(&writer, 2, &announce).await;
    assert_eq!(world.rounds.as_slice(), [in_time(1)], "a partition that is new knows what all knew");
}

/// A handler that loaded with the old number commits nothing, and learns that its generation is over.
pub(crate) async fn who_counts_with_the_old_number_is_fenced_off(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let old = Writer::open(&fresh.store).await.unwrap();
    for name in ["ada", "cleo"] {
        assert_eq!(run(&old, partition_of(name, 2), &[(NOW_MS, add(name))]).await.len(), 1);
    }
    let commands = [(NOW_MS, add("dora"))];
    let mut late = Vec::new();
    for partition in 0..2 {
        let Prefetched { from, mut world } = prefetch(&old, partition, &commands).await;
        world.apply(game::Stamps::of_arrival(NOW_MS), &commands[0].1).unwrap();
        late.push((partition, from, world));
    }
    // The start of its positions does not matter, even if it equals the old one.
    let sequence = late[0].1.sequence;
    writer.repartition(INBOX, 1, sequence, NOW_MS).await.unwrap();
    let before = fresh.everything().await;
    for (partition, from, world) in late {
        assert_eq!(commit(&old, partition, from, &world, &[]).await, Committed::Fenced);
    }
    assert_eq!(fresh.everything().await, before);
    assert_eq!(prefetch(&old, 0, &commands).await.from, Position { generation: 2, sequence });
    let gone = old.prefetch(1, &[], &[]).await.unwrap_err();
    assert!(matches!(gone, Error::UnknownPartition { partition: 1 }), "{gone:?}");
    let settled = old.settle_identity(INBOX, 2, NOW_MS).await.unwrap_err();
    assert!(matches!(settled, Error::OtherPartitions { known: 1, found: 2 }), "{settled:?}");
}

/// Drops it after this many polls, repeatedly: the game has the old number or the new one, and is complete.
pub(crate) async fn a_dropped_repartition_leaves_all_or_nothing(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let names: Vec<String> = (0..40).map(|n| format!("player {n}")).collect();
    for partition in 0..2 {
        let own = names.iter().filter(|name| partition_of(name, 2) == partition);
        let players: Vec<_> = own.map(|name| (user(name), player(100))).collect();
        seed(&writer, partition, &players).await;
    }
    let reader = fresh.store.reader().await.unwrap();
    let (mut whole, mut dropped) = (usize::MAX, 0);
    for piece in 0..20 {
        let known = reader.identity().await.unwrap().unwrap();
        let partitions = if known.partitions == 2 { 3 } else { 2 };
        let polls_max = if piece == 0 { whole } else { whole / 18 * (piece - 1) };
        let mut polls = 0;
        {
            let mut repartition = pin!(writer.repartition(INBOX, partitions, 0, NOW_MS));
            let ended = poll_fn(|context| {
                if polls == polls_max {
                    return Poll::Ready(false);
                }
                polls += 1;
                let polled = repartition.as_mut().poll(context);
                context.waker().wake_by_ref();
                polled.map(|changed| changed.is_ok())
            });
            dropped += usize::from(!ended.await);
        }
        if piece == 0 {
            whole = polls; // number of polls until it completes
        }
        // The single connection is free again when the dropped work has ended.
        writer.settle_identity("another", 1, NOW_MS).await.unwrap_err();
        let mut audit = reader.audit().await.unwrap();
        let now = audit.generations().await.unwrap().pop().unwrap();
        let next = Identity { generation: known.generation + 1, partitions, ..known.clone() };
        assert!(now == next || now == known && piece > 0, "{now:?}");
        let mut expected = State::default();
        for partition in 0..now.partitions {
            let own = names.iter().filter(|name| partition_of(name, now.partitions) == partition);
            let players = own.map(|name| (user(name), player(100))).collect();
            expected.add_world(partition, &World { players, ..World::default() });
        }
        assert_eq!(audit.state().await.unwrap().differences(&expected, 3), vec![]);
    }
    assert!(dropped > 0, "at least the one that was never polled");
    println!("{dropped} were dropped, {whole} polls are a whole one");
    let partitions = reader.identity().await.unwrap().unwrap().partitions;
    writer.repartition(INBOX, partitions + 1, 0, NOW_MS).await.unwrap();
}

/// A failure in the middle rolls everything back.
pub(crate) async fn a_failed_repartition_changes_nothing(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    for name in ["ada", "bea", "cleo", "dora"] {
        run(&writer, partition_of(name, 2), &[(NOW_MS, add_device(name, name))]).await;
    }
    let before = fresh.everything().await;
    // Players, purchases and devices have moved before the top meets an invalid name.
    fresh.execute("UPDATE players SET name = '' WHERE username = 'dora'").await;
    let failed = writer.repartition(INBOX, 5, 0, NOW_MS).await.unwrap_err();
    assert!(matches!(failed, Error::Corrupt { .. }), "{failed:?}");
    fresh.execute("UPDATE players SET name = NULL WHERE username = 'dora'").await;
    assert_eq!(fresh.everything().await, before);
    assert_eq!(generations(fresh).await, [identity(1, 2)]);
    assert_eq!(writer.repartition(INBOX, 5, 0, NOW_MS).await.unwrap(), identity(2, 5));
}

/// A database of the first version is migrated with a game in it.
pub(crate) async fn a_game_of_the_first_schema_goes_on(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    run(&writer, 0, &[(NOW_MS, Action::Announce(round(1)))]).await;
    run(&writer, 1, &[(NOW_MS, add("ada")), (NOW_MS, Action::Announce(round(1)))]).await;
    fresh.execute("UPDATE journal SET stored_at_ms = NULL").await;
    let before = fresh.everything().await;
    fresh.execute("ALTER TABLE journal DROP COLUMN stored_at_ms").await;
    fresh.execute("ALTER TABLE rounds DROP COLUMN late").await;
    fresh.execute("ALTER TABLE inboxes DROP COLUMN partitions").await;
    fresh.execute("ALTER TABLE outbox DROP COLUMN expires_at_ms").await;
    fresh.execute("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let older = Writer::open(&fresh.store).await.unwrap_err();
    assert!(matches!(older, Error::OlderSchema { found: 1, .. }), "{older:?}");
    assert_eq!(fresh.store.migrate().await.unwrap(), Migrated { from: 1, to: 4 });
    assert_eq!(fresh.everything().await, before);
    assert_eq!(generations(fresh).await, [identity(1, 2)]);
    let writer = Writer::open(&fresh.store).await.unwrap();
    run(&writer, 0, &[(NOW_MS, add("bea"))]).await;
    writer.repartition(INBOX, 1, 0, NOW_MS).await.unwrap();
    assert_eq!(generations(fresh).await, [identity(1, 2), identity(2, 1)]);
}
