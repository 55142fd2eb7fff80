//! One transaction for each batch, fenced by the position.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use game::{Action, Announced, Outcome};
use ledger::{Committed, JournalRow};
use store::{Error, Position};

use crate::harness::{
    Commit, Fresh, NOW_MS, Prefetched, Writer, add, add_device, buy, commit, in_time, player, prefetch,
    press, pushed, round, run, seed, user,
};

pub(crate) async fn a_stale_commit_writes_nothing(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    seed(&writer, 0, &[(user("ada"), player(1000))]).await;
    // A batch that touches every table.
    let commands = [
        (NOW_MS, Action::Announce(round(1))),
        (NOW_MS, add_device("bea", "device")),
        (NOW_MS, buy("ada", "id", game::PowerupKind::Freeze, game::Level::One)),
        (NOW_MS, Action::Tick { through_ms: NOW_MS }),
    ];
    let Prefetched { from, mut world } = prefetch(&writer, 0, &commands).await;
    for (at_ms, action) in &commands {
        world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
    }
    run(&writer, 0, &[(NOW_MS, add("cleo"))]).await;

    let before = fresh.everything().await;
    assert_eq!(commit(&writer, 0, from, &world, &[pushed("a")]).await, Committed::Fenced);
    let ahead = Position { sequence: from.sequence + 2, ..from };
    assert_eq!(commit(&writer, 0, ahead, &world, &[pushed("a")]).await, Committed::Fenced);
    let next_inbox = Position { generation: from.generation + 1, sequence: from.sequence + 1 };
    assert_eq!(commit(&writer, 0, next_inbox, &world, &[pushed("a")]).await, Committed::Fenced);
    assert_eq!(fresh.everything().await, before);

    // The same batch, loaded again, commits.
    let Prefetched { from, mut world } = prefetch(&writer, 0, &commands).await;
    for (at_ms, action) in &commands {
        world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
    }
    assert_eq!(commit(&writer, 0, from, &world, &[pushed("a")]).await, Committed::Done);
    let state = fresh.state().await;
    assert_eq!((state.players.len(), state.purchases.len(), state.devices.len()), (3, 1, 1));
    assert_eq!((state.rounds.len(), state.applied_through_ms[&0]), (1, NOW_MS));
    assert_eq!(state.tops[&0].len(), 3);
}

pub(crate) async fn a_commit_must_move_forward(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    let Prefetched { from, world } = prefetch(&writer, 0, &[]).await;
    let before = fresh.everything().await;
    for to in
        [from, Position::default(), Position { generation: from.generation + 1, sequence: from.sequence + 1 }]
    {
        let commit = Commit { partition: 0, from, to, world: &world, journal: &[], outbox: &[] };
        let error = writer.commit(commit).await.unwrap_err();
        assert!(matches!(error, Error::NotForward { partition: 0 }), "{error:?}");
    }
    assert_eq!(fresh.everything().await, before);
}

/// A rehearsal returns what the commit will return, and changes neither the database nor the writer's memory.
pub(crate) async fn a_rehearsal_writes_nothing(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    let commands = [(NOW_MS, Action::Announce(round(1))), (NOW_MS, add_device("bea", "device"))];
    let Prefetched { from, mut world } = prefetch(&writer, 0, &commands).await;
    for (at_ms, action) in &commands {
        world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
    }
    let before = fresh.everything().await;
    let to = Position { sequence: from.sequence + 1, ..from };
    let journal = [JournalRow { sequence: to.sequence, stored_at_ms: NOW_MS, body: "", buried: &[] }];
    let outbox = [pushed("a")];
    let whole = Commit { partition: 0, from, to, world: &world, journal: &journal, outbox: &outbox };
    for _ in 0..2 {
        assert_eq!(writer.rehearse(whole).await.unwrap(), Committed::Done);
        assert_eq!(fresh.everything().await, before);
    }
    let refused = Commit { journal: &[journal[0], journal[0]], ..whole };
    assert!(matches!(writer.rehearse(refused).await, Err(Error::Refused { .. })), "one message twice");
    assert_eq!(writer.commit(whole).await.unwrap(), Committed::Done);
    assert_eq!(writer.rehearse(whole).await.unwrap(), Committed::Fenced);
    assert_eq!(run(&writer, 0, &commands).await[0], Outcome::Announced(Announced::Known));
}

pub(crate) async fn writers_see_each_other(fresh: &Fresh) {
    let first = fresh.game(1).await;
    let second = Writer::open(&fresh.store).await.unwrap();
    // Both remember the partition's first state.
    prefetch(&first, 0, &[]).await;
    prefetch(&second, 0, &[]).await;
    let announced = Outcome::Announced(Announced::New);
    assert_eq!(run(&first, 0, &[(NOW_MS, Action::Announce(round(1)))]).await, [announced]);
    let again = [(NOW_MS, Action::Announce(round(1))), (NOW_MS, Action::Announce(round(2)))];
    assert_eq!(run(&second, 0, &again).await, [Outcome::Announced(Announced::Known), announced]);
    let known = prefetch(&first, 0, &[]).await.world.rounds;
    assert_eq!(known.as_slice(), [in_time(1), in_time(2)]);
}

/// Drops a commit after this many polls, repeatedly. Each batch adds one player, so players and messages must always
/// agree, and the connection must stay usable.
pub(crate) async fn a_dropped_commit_leaves_all_or_nothing(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    let mut dropped = 0;
    for polls in 0..60 {
        let commands = [(NOW_MS, add(&format!("player {polls}")))];
        let Prefetched { from, mut world } = prefetch(&writer, 0, &commands).await;
        world.apply(game::Stamps::of_arrival(commands[0].0), &commands[0].1).unwrap();
        let mut left = polls % 20;
        let mut commit = pin!(commit(&writer, 0, from, &world, &[]));
        let ended = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            let polled = commit.as_mut().poll(context);
            context.waker().wake_by_ref();
            polled.map(|committed| committed == Committed::Done)
        });
        dropped += usize::from(!ended.await);
    }
    assert!(dropped > 0, "at least those that were never polled");
    // The last dropped commit ends when the single connection is used again.
    prefetch(&writer, 0, &[]).await;
    let (position, standings) = fresh.store.reader().await.unwrap().standings(0).await.unwrap();
    assert_eq!(standings.len(), usize::try_from(position.sequence).unwrap());
    run(&writer, 0, &[(NOW_MS, add("last"))]).await;
    assert_eq!(fresh.state().await.players.len(), standings.len() + 1);
}

pub(crate) async fn journal_keeps_messages_as_they_were(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let every = (1..=0xffff).step_by(7).filter_map(char::from_u32).collect::<String>();
    let bodies = ["", "{\"a\": [1, 2]}", "\0\t\r\n\u{1}\u{7f}\"\\\\u0041", "🦀\u{10ffff}", &every];
    let Prefetched { from, world } = prefetch(&writer, 1, &[]).await;
    let highest = 99_999_999_999_999_999_999; // 20 digits, as SQS has them
    let sequences = [1, 2, 10, highest, u128::MAX];
    let buried: [&[u32]; 5] = [&[], &[0], &[1, 2, u32::MAX], &[], &[7]];
    let stored_at_ms = [0, NOW_MS, i64::MAX, NOW_MS - 1, 1]; // from different clocks
    let row = |n: usize| JournalRow {
        sequence: sequences[n],
        stored_at_ms: stored_at_ms[n],
        body: bodies[n],
        buried: buried[n],
    };
    let rows: Vec<JournalRow<'_>> = (0..5).map(row).collect();
    let to = Position { sequence: u128::MAX, ..from };
    let commit = Commit { partition: 1, from, to, world: &world, journal: &rows, outbox: &[] };
    assert_eq!(writer.commit(commit).await.unwrap(), Committed::Done);
    assert_eq!(writer.highest_position().await.unwrap(), u128::MAX);

    let reader = fresh.store.reader().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    assert_eq!(audit.journal(0, Position::default(), 10).await.unwrap(), []);
    let mut after = Position::default();
    let mut read = Vec::new();
    loop {
        let page = audit.journal(1, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.position;
        read.extend(page);
    }
    let as_written: Vec<JournalRow<'_>> = read
        .iter()
        .map(|entry| JournalRow {
            sequence: entry.position.sequence,
            stored_at_ms: entry.stored_at_ms.unwrap(),
            body: &entry.body,
            buried: &entry.buried,
        })
        .collect();
    assert_eq!(as_written, rows);

    // As an older handler writes it, which may still be running.
    fresh
        .execute(
            "INSERT INTO journal (partition, inbox, sequence, body, buried)
             VALUES (0, 1, '000000000000000000000000000000000000001', '', '[]')",
        )
        .await;
    let mut audit = reader.audit().await.unwrap();
    let earlier = audit.journal(0, Position::default(), 10).await.unwrap();
    assert_eq!(earlier.iter().map(|entry| entry.stored_at_ms).collect::<Vec<_>>(), [None]);
}

pub(crate) async fn a_topic_enters_the_outbox_once(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let outbox = fresh.store.outbox().await.unwrap();
    for (partition, rows) in
        [(0, vec![pushed("a"), pushed("b")]), (0, vec![pushed("a")]), (1, vec![pushed("a")])]
    {
        let Prefetched { from, world } = prefetch(&writer, partition, &[]).await;
        assert_eq!(commit(&writer, partition, from, &world, &rows).await, Committed::Done);
    }
    assert_eq!(outbox.pending().await.unwrap(), 3);
    let job = outbox.take("pusher", NOW_MS, 1000).await.unwrap().unwrap();
    assert_eq!((job.partition, &*job.topic, &*job.payload, job.cursor), (0, "a", "payload of a", None));
}

pub(crate) async fn an_unknown_partition_is_an_error(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let error = writer.prefetch(2, &[user("ada")], &[]).await.unwrap_err();
    assert!(matches!(error, Error::UnknownPartition { partition: 2 }), "{error:?}");
    let reader = fresh.store.reader().await.unwrap();
    let error = reader.standings(2).await.unwrap_err();
    assert!(matches!(error, Error::UnknownPartition { partition: 2 }), "{error:?}");
    assert_eq!(run(&writer, 0, &[(NOW_MS, press("ada"))]).await, [Outcome::UnknownPlayer]);
}
