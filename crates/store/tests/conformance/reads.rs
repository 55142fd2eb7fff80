//! What reads show, and when.

use game::{Action, KnownRound, Standing};
use store::{Counts, Position, Scheduled, Stage};

use crate::harness::{
    Fresh, NOW_MS, Writer, add, announce, in_time, player, prefetch, press, round, run, seed, user,
};

pub(crate) async fn a_lost_streak_shows_when_its_time_is_applied(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let (first, missed) = (round(1), round(2));
    run(
        &writer,
        1,
        &[
            (NOW_MS, add("ada")),
            (NOW_MS, Action::Announce(first)),
            (NOW_MS, Action::Announce(missed)),
            (first.opens_at_ms, press("ada")),
        ],
    )
    .await;
    let reader = fresh.store.reader().await.unwrap();
    let cutoff_ms = missed.cutoffs_ms()[0];
    // The partition's time counts, not the reader's or another partition's.
    run(&writer, 0, &[(cutoff_ms, Action::Tick { through_ms: cutoff_ms + 1 })]).await;
    for (through_ms, streak) in [(cutoff_ms - 1, 1), (cutoff_ms, 0)] {
        run(&writer, 1, &[(through_ms, Action::Tick { through_ms })]).await;
        let view = reader.player(&user("ada"), 1, cutoff_ms + 1_000_000).await.unwrap().unwrap();
        assert_eq!((view.player.streak, view.player.score), (streak, 1), "at {through_ms}");
        assert_eq!(
            view.standing,
            Standing { score: 1, reached_at_ms: first.opens_at_ms, username: user("ada") }
        );
    }
    assert_eq!(fresh.state().await.players[&(1, user("ada"))].streak, 1, "shown, not written");
    let positions = reader.positions().await.unwrap();
    let view = reader.player(&user("ada"), 1, NOW_MS).await.unwrap().unwrap();
    assert_eq!(view.positions, positions);
    let at = |sequence| Position { generation: 1, sequence };
    assert_eq!(positions, [(0, at(1)), (1, at(3))]);
}

/// Partition 0 got the second round's announcement just in time, partition 1 a millisecond later.
pub(crate) async fn a_late_round_is_shown_as_forgiven(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let (first, missed) = (round(1), round(2));
    let reader = fresh.store.reader().await.unwrap();
    for (partition, name, late) in [(0, "ada", false), (1, "bea", true)] {
        let commands =
            [(NOW_MS, add(name)), (NOW_MS, Action::Announce(first)), (first.opens_at_ms, press(name))];
        run(&writer, partition, &commands).await;
        announce(&writer, partition, missed, missed.opens_at_ms + i64::from(late)).await;
        let through_ms = missed.cutoff_max_ms();
        run(&writer, partition, &[(through_ms, Action::Tick { through_ms })]).await;
        let view = reader.player(&user(name), partition, through_ms).await.unwrap().unwrap();
        assert_eq!((view.player.streak, view.player.settled_round), (u64::from(late), 2), "{name}");

        let known = [in_time(1), KnownRound { round: missed, late }];
        // As remembered by the writer that announced it, and as read from the database.
        for writer in [&writer, &Writer::open(&fresh.store).await.unwrap()] {
            assert_eq!(prefetch(writer, partition, &[]).await.world.rounds.as_slice(), known);
        }
        assert_eq!(fresh.state().await.rounds[&(partition, 2)], known[1]);
    }
}

/// The previous version's handler does not know the column `late`. It may still run after this version's migrations.
pub(crate) async fn a_round_that_an_old_handler_wrote_is_not_late(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada")), (NOW_MS, Action::Announce(round(1)))]).await;
    fresh
        .execute(
            "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms)
            SELECT partition, 2, opens_at_ms + 3600000, window_ms, grace_ms FROM rounds",
        )
        .await;
    let known = [in_time(1), in_time(2)];
    let next = Writer::open(&fresh.store).await.unwrap();
    assert_eq!(prefetch(&next, 0, &[]).await.world.rounds.as_slice(), known);
    assert_eq!(fresh.state().await.rounds[&(0, 2)], known[1]);
    let rounds = [
        (round(1).opens_at_ms, press("ada")),
        (round(2).cutoff_max_ms(), Action::Tick { through_ms: round(2).cutoff_max_ms() }),
    ];
    run(&next, 0, &rounds).await;
    let reader = fresh.store.reader().await.unwrap();
    let view = reader.player(&user("ada"), 0, round(2).cutoff_max_ms()).await.unwrap().unwrap();
    assert_eq!((view.player.streak, view.player.settled_round), (0, 2), "who did not press is not forgiven");
    reader.close().await;
}

pub(crate) async fn a_round_is_secret_until_it_opens(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    let (schedule, reader) = (fresh.store.schedule().await.unwrap(), fresh.store.reader().await.unwrap());
    let lit = async |now_ms: i64| reader.player(&user("ada"), 0, now_ms).await.unwrap().unwrap().lit;
    let far_ms = round(9).opens_at_ms;
    assert_eq!(lit(far_ms).await, None);
    for n in [1, 2, 3] {
        let drawn = Scheduled { round: round(n), by_operator: false, stage: Stage::Drawn, ticks_sent: 0 };
        schedule.insert_if_absent(&drawn).await.unwrap();
    }
    assert_eq!(lit(far_ms).await, None, "drawn is secret, however late");
    let fix = async |n: u64| {
        let row = schedule.get(n).await.unwrap().unwrap();
        assert!(
            schedule.replace_drawn(&row.round, &Scheduled { stage: Stage::Announcing, ..row }).await.unwrap()
        );
    };
    fix(1).await;
    assert_eq!(lit(far_ms).await, None, "not every partition has it");
    assert_eq!(reader.live_rounds(0).await.unwrap(), []);
    schedule.announced(1).await.unwrap();
    fix(2).await;
    schedule.announced(2).await.unwrap();
    let (first, second) = (round(1).opens_at_ms, round(2).opens_at_ms);
    assert_eq!(lit(first - 1).await, None);
    assert_eq!(lit(first).await, Some(round(1)));
    assert_eq!(lit(second - 1).await, Some(round(1)));
    assert_eq!(lit(second).await, Some(round(2)));
    assert_eq!(lit(far_ms).await, Some(round(2)), "the third is drawn only");

    // The partition's rounds do not show either: only the schedule decides which round is open.
    run(&writer, 0, &[(NOW_MS, Action::Announce(round(4)))]).await;
    let view = reader.player(&user("ada"), 0, NOW_MS).await.unwrap().unwrap();
    assert_eq!((view.lit, view.player.settled_round), (None, 0));
    assert_eq!(reader.top(100).await.unwrap().len(), 1);

    // The last round that has opened, and all later ones that every partition knows.
    let both = [round(1), round(2)];
    for (now_ms, live) in
        [(0, &both[..]), (first, &both), (second - 1, &both), (second, &both[1..]), (far_ms, &both[1..])]
    {
        assert_eq!(reader.live_rounds(now_ms).await.unwrap(), live, "at {now_ms}");
    }
}

pub(crate) async fn standings_come_with_their_position(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    seed(&writer, 0, &[(user("ada"), player(5)), (user("bea"), player(7))]).await;
    seed(&writer, 1, &[(user("cleo"), player(9))]).await;
    let reader = fresh.store.reader().await.unwrap();
    let (position, mut standings) = reader.standings(0).await.unwrap();
    standings.sort();
    assert_eq!(position, Position { generation: 1, sequence: 1 });
    assert_eq!(standings, [Standing::of(&user("bea"), &player(7)), Standing::of(&user("ada"), &player(5))]);
}

pub(crate) async fn an_unknown_player_is_none(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let reader = fresh.store.reader().await.unwrap();
    assert_eq!(reader.top(100).await.unwrap(), []);
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    assert!(reader.player(&user("ada"), 0, NOW_MS).await.unwrap().is_some());
    assert_eq!(reader.player(&user("ADA"), 0, NOW_MS).await.unwrap(), None);
    assert_eq!(reader.player(&user("ada"), 1, NOW_MS).await.unwrap(), None);
}

pub(crate) async fn counts_and_check(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let reader = fresh.store.reader().await.unwrap();
    assert_eq!(reader.counts().await.unwrap(), Counts { players: 0, outbox_pending: 0 });
    run(&writer, 0, &[(NOW_MS, add("ada")), (NOW_MS, add("bea"))]).await;
    assert_eq!(reader.counts().await.unwrap(), Counts { players: 2, outbox_pending: 0 });
    reader.check().await.unwrap();
    reader.close().await;
    assert!(reader.check().await.unwrap_err().is_transient());
    writer.close().await;
    assert!(writer.positions().await.unwrap_err().is_transient());
}
