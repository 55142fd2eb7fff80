//! The size of batches makes no difference, and the database equals the pure world.

use game::{
    Action, Add, DisplayName, Level, Outcome, Platform, Powerup, PowerupKind, PurchaseId, PurchaseOutcome,
    Round, World, partition_of,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::State;

use crate::harness::{Backend, Fresh, NOW_MS, add, buy, player, run, seed, token, user};

pub(crate) async fn purchases_are_known_across_batches(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    seed(&writer, 0, &[(user("ada"), player(100)), (user("bea"), player(1000))]).await;
    let (freeze, one, two) = (PowerupKind::Freeze, Level::One, Level::Two);
    let bought = Outcome::Purchase(PurchaseOutcome::Bought);
    let poor = Outcome::Purchase(PurchaseOutcome::NotEnoughPoints);
    assert_eq!(run(&writer, 0, &[(NOW_MS, buy("ada", "x", freeze, one))]).await, [bought]);
    assert_eq!(run(&writer, 0, &[(NOW_MS, buy("ada", "y", freeze, two))]).await, [poor]);
    // The same ids again, with another body, in one batch with a new id and another player's equal id.
    let again = [
        (NOW_MS + 1, buy("ada", "x", freeze, two)),
        (NOW_MS + 1, buy("ada", "y", freeze, one)),
        (NOW_MS + 1, buy("bea", "x", freeze, one)),
        (NOW_MS + 1, buy("bea", "x", freeze, two)),
    ];
    let outcomes = run(&writer, 0, &again).await;
    let known = [PurchaseOutcome::Bought, PurchaseOutcome::NotEnoughPoints, PurchaseOutcome::Bought]
        .map(Outcome::PurchaseKnown);
    assert_eq!(outcomes, [known[0], known[1], bought, known[2]]);
    assert_eq!(fresh.state().await.purchases.len(), 3);
}

const USERS: usize = 10;
const SCORES: [u64; USERS] = [0, 60, 149, 150, 330, 700, 800, 1500, 5000, 9000];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Player(usize, Kind),
    Announce { in_ms: i64 },
    Tick,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Add { name: Option<u8>, platform: Option<usize>, token: Option<u8> },
    Press,
    Buy { id: u8, kind: usize, level: usize },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let add =
        (proptest::option::of(0..3_u8), proptest::option::of(0..3_usize), proptest::option::of(0..4_u8))
            .prop_map(|(name, platform, token)| Kind::Add { name, platform, token });
    let buy = (0..6_u8, 0..3_usize, 0..4_usize).prop_map(|(id, kind, level)| Kind::Buy { id, kind, level });
    let kind = prop_oneof![2 => add, 4 => Just(Kind::Press), 3 => buy];
    let step = prop_oneof![
        12 => (0..USERS, kind).prop_map(|(user, kind)| Step::Player(user, kind)),
        1 => (0..60_000_i64).prop_map(|in_ms| Step::Announce { in_ms }),
        1 => Just(Step::Tick),
    ];
    vec((0..40_000_i64, step), 1..120)
}

/// The commands of each partition, in order. Announcements and ticks go to all of them.
pub(crate) fn commands(steps: &[(i64, Step)], partitions: u16) -> Vec<Vec<(i64, Action)>> {
    let mut all = vec![Vec::new(); usize::from(partitions)];
    let (mut at_ms, mut rounds) = (NOW_MS, 0);
    for (later_ms, step) in steps {
        at_ms += later_ms;
        match step {
            Step::Player(n, kind) => {
                let name = format!("user {n}");
                let action = action(&name, kind);
                all[usize::from(partition_of(&name, partitions))].push((at_ms, action));
            }
            Step::Announce { in_ms } => {
                rounds += 1;
                let round = Round::new(rounds, at_ms + in_ms, 100_000, 10_000).unwrap();
                all.iter_mut().for_each(|one| one.push((at_ms, Action::Announce(round))));
            }
            Step::Tick => {
                all.iter_mut().for_each(|one| one.push((at_ms, Action::Tick { through_ms: at_ms })));
            }
        }
    }
    all
}

fn action(name: &str, kind: &Kind) -> Action {
    let username = user(name);
    match kind {
        Kind::Add { name, platform, token: device } => Action::Add(Add {
            username,
            name: name.map(|n| DisplayName::new(&format!("name {n}")).unwrap()),
            platform: platform.map(|n| Platform::ALL[n]),
            token: device.map(|n| token(&format!("token {n}"))),
        }),
        Kind::Press => Action::Press { username },
        Kind::Buy { id, kind, level } => Action::Buy {
            username,
            id: PurchaseId::new(&format!("id-{id}")).unwrap(),
            powerup: Powerup { kind: PowerupKind::ALL[*kind], level: Level::ALL[*level] },
        },
    }
}

/// The initial players: every second one.
pub(crate) fn seeds(partition: u16, partitions: u16) -> Vec<(game::Username, game::Player)> {
    (0..USERS)
        .step_by(2)
        .map(|n| (user(&format!("user {n}")), player(SCORES[n])))
        .filter(|(username, _)| partition_of(username.as_str(), partitions) == partition)
        .collect()
}

async fn stored(fresh: &Fresh, commands: &[Vec<(i64, Action)>], batch: usize) -> (Vec<Vec<Outcome>>, State) {
    let partitions = u16::try_from(commands.len()).unwrap();
    let writer = fresh.game(partitions).await;
    let mut outcomes = vec![Vec::new(); commands.len()];
    for partition in 0..partitions {
        seed(&writer, partition, &seeds(partition, partitions)).await;
    }
    // One batch of each partition in turn, so that partitions interleave as in a game.
    let mut batches: Vec<_> = commands.iter().map(|commands| commands.chunks(batch)).collect();
    loop {
        let mut more = false;
        for partition in 0..partitions {
            let at = usize::from(partition);
            if let Some(batch) = batches[at].next() {
                outcomes[at].extend(run(&writer, partition, batch).await);
                more = true;
            }
        }
        if !more {
            return (outcomes, fresh.state().await);
        }
    }
}

pub(crate) fn pure(commands: &[Vec<(i64, Action)>]) -> (Vec<Vec<Outcome>>, State) {
    let partitions = u16::try_from(commands.len()).unwrap();
    let (mut outcomes, mut state) = (Vec::new(), State::default());
    for (partition, commands) in (0..).zip(commands) {
        let mut world =
            World { players: seeds(partition, partitions).into_iter().collect(), ..World::default() };
        let applied = commands
            .iter()
            .filter_map(|(at_ms, action)| world.apply(game::Stamps::of_arrival(*at_ms), action).ok());
        outcomes.push(applied.collect());
        state.add_world(partition, &world);
    }
    (outcomes, state)
}

pub(crate) async fn batch_sizes_and_partitions_change_nothing(fresh: &Fresh) {
    let another = fresh.another().await;
    let cases = match fresh.backend {
        Backend::Sqlite => 16,
        Backend::Postgres => 4, // each makes six databases, which takes the server a while
    };
    let handle = tokio::runtime::Handle::current();
    let check = move || {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner.run(&steps(), |steps| {
            let mut by_player = Vec::new();
            for partitions in [1, 3] {
                let commands = commands(&steps, partitions);
                let (outcomes, state) = pure(&commands);
                for batch in [1, 7, usize::MAX] {
                    let (found, stored) =
                        handle.block_on(async { stored(&another.another().await, &commands, batch).await });
                    prop_assert_eq!(&found, &outcomes);
                    prop_assert_eq!(stored.differences(&state, 3), vec![]);
                    prop_assert_eq!(&stored, &state);
                }
                let players = state.players.into_iter().map(|((_, username), player)| (username, player));
                by_player.push((
                    std::collections::BTreeMap::from_iter(players),
                    state.devices.into_iter().map(|(token, (_, device))| (token, device)).collect::<Vec<_>>(),
                ));
            }
            prop_assert_eq!(&by_player[0], &by_player[1]);
            Ok(())
        })
    };
    tokio::task::spawn_blocking(check).await.unwrap().unwrap();
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("ada"))]).await;
}
