//! A consistent snapshot of the whole database.

use game::{Action, World};
use store::{Position, State};

use crate::harness::{Fresh, NOW_MS, add, add_device, in_time, press, round, run, user};

pub(crate) async fn audit_holds_one_moment(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
    let reader = fresh.store.reader().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    run(&writer, 0, &[(NOW_MS, add("bea")), (NOW_MS, Action::Announce(round(1)))]).await;
    let state = audit.state().await.unwrap();
    assert_eq!((state.players.len(), state.rounds.len(), state.tops[&0].len()), (1, 0, 1));
    assert_eq!(audit.positions().await.unwrap(), [(0, Position { generation: 1, sequence: 1 })]);
    assert_eq!(audit.journal(0, Position::default(), 10).await.unwrap().len(), 1);
    drop(audit);
    assert_eq!(fresh.state().await.players.len(), 2);
}

/// Every batch adds one player: players, messages and position agree at every moment.
pub(crate) async fn audit_is_consistent_while_the_writer_commits(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    let reader = fresh.store.reader().await.unwrap();
    let writing = tokio::spawn(async move {
        for n in 0..100 {
            run(&writer, 0, &[(NOW_MS, add(&format!("player {n}")))]).await;
        }
    });
    let mut moments = 0;
    while !writing.is_finished() || moments == 0 {
        let mut audit = reader.audit().await.unwrap();
        let state = audit.state().await.unwrap();
        let journal = audit.journal(0, Position::default(), 1000).await.unwrap();
        let sequence = usize::try_from(audit.positions().await.unwrap()[0].1.sequence).unwrap();
        assert_eq!((state.players.len(), journal.len()), (sequence, sequence));
        moments += 1;
    }
    writing.await.unwrap();
    assert_eq!(fresh.state().await.players.len(), 100);
}

pub(crate) async fn differences_are_named(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let commands = [
        (NOW_MS, Action::Announce(round(1))),
        (NOW_MS, add_device("ada", "device")),
        (NOW_MS, add("bea")),
        (round(1).opens_at_ms, press("ada")),
        (NOW_MS, Action::Tick { through_ms: NOW_MS }),
    ];
    run(&writer, 1, &commands).await;
    let mut world = World::default();
    for (at_ms, action) in &commands {
        world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
    }
    let mut replayed = State::default();
    replayed.add_world(0, &World::default());
    replayed.add_world(1, &world);
    let state = fresh.state().await;
    assert_eq!(replayed, state);
    assert_eq!((replayed.digests(), replayed.differences(&state, 10)), (state.digests(), vec![]));

    replayed.players.get_mut(&(1, user("ada"))).unwrap().score += 1;
    replayed.players.remove(&(1, user("bea")));
    replayed.rounds.insert((0, 9), in_time(9));
    replayed.rounds.get_mut(&(1, 1)).unwrap().late = true;
    let found = replayed.differences(&state, 10);
    let found: Vec<(&str, (bool, bool))> =
        found.iter().map(|one| (one.table, (one.this.is_some(), one.other.is_some()))).collect();
    let [both, this, other] = [(true, true), (true, false), (false, true)];
    let expected = [("players", both), ("players", other), ("rounds", this), ("rounds", both)];
    assert_eq!(found, expected);
    let changed: Vec<&str> = std::iter::zip(replayed.digests(), state.digests())
        .filter(|(this, other)| this.digest != other.digest)
        .map(|(this, _)| this.table)
        .collect();
    assert_eq!(changed, ["players", "rounds"]);
    assert_eq!(replayed.differences(&state, 1).len(), 2, "one of each table");
}
