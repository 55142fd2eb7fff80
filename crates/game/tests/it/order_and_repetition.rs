//! Rules, "Order and repetition": each command sees the commands before it; which changes a batch reports. `properties`
//! checks that repetition, interleaving and batching change nothing.

use std::sync::Arc;

use game::{
    Announced, Fault, KnownRound, Outcome, PowerupKind, PressOutcome, PurchaseOutcome, Round, Standing, World,
};

use crate::support::table::check;
use crate::support::{HOUR_MS, add, buy, press, round, user};

#[test]
fn each_command_sees_the_effects_of_those_before_it() {
    check(
        "rounds 10h
         0  | add              | new
         0  | set score=60 streak=9 |
         O1 | buy MULTIPLIER 2 | bought score=0
         O1 | press            | counted:200 score=200
         O1 | buy EXTENDER 2   | bought score=50",
    );
    check(
        "rounds 10h
         0  | add              | new
         0  | set score=60 streak=9 |
         O1 | press            | counted:100 score=160
         O1 | buy MULTIPLIER 2 | bought score=100
         O1 | press            | already_pressed score=100",
    );
}

#[test]
fn a_message_delivered_again_changes_nothing() {
    check(
        "rounds 10h
         1h   | add name=a token=t     | new
         1h   | set score=1000         |
         1h   | add name=a token=t     | kept same
         2h   | buy FREEZE 6 id=a      | bought
         2h   | buy FREEZE 6 id=a      | known:bought same
         O1-1 | press                  | not_open
         O1-1 | press                  | not_open same
         O1   | press                  | counted:1
         O1   | press                  | already_pressed same
         O1   | tick                   | ticked
         O1   | tick                   | ticked same
         O1   | announce 1 10h         | known same",
    );
}

#[test]
fn a_fault_changes_nothing_and_says_why() {
    let mut world = World { rounds: Arc::default(), ..World::default() };
    assert_eq!(
        world.apply(game::Stamps::of_arrival(0), &game::Action::Announce(round(2, HOUR_MS))),
        Ok(Outcome::Announced(Announced::New))
    );
    let before = world.clone();
    let mut fault =
        |round: Round| world.apply(game::Stamps::of_arrival(0), &game::Action::Announce(round)).unwrap_err();
    let differs = fault(Round { grace_ms: 1, ..round(2, HOUR_MS) });
    assert_eq!(differs, Fault::AnnouncementDiffers { round: 2 });
    assert_eq!(differs.to_string(), "round 2 was announced before with other times");
    assert_eq!(fault(round(3, HOUR_MS + 550_000)), Fault::Overlaps { round: 3, other: 2 });
    assert_eq!(fault(round(1, HOUR_MS - 550_000)), Fault::Overlaps { round: 1, other: 2 });
    assert_eq!(fault(round(1, 2 * HOUR_MS)), Fault::Overlaps { round: 1, other: 2 });
    assert_eq!(world, before, "the changes to be written are the same, too");
}

#[test]
fn a_batch_reports_what_it_changed_and_how_it_stood_before() {
    let mut world = World::default();
    world.apply(game::Stamps::of_arrival(0), &game::Action::Announce(round(1, HOUR_MS))).unwrap();
    world.apply(game::Stamps::of_arrival(0), &game::Action::Announce(round(1, HOUR_MS))).unwrap();
    world.apply(game::Stamps::of_arrival(1), &add("ann")).unwrap();
    world.apply(game::Stamps::of_arrival(2), &add("bob")).unwrap();
    let changes = world.take_changes();
    assert_eq!(changes.rounds, [KnownRound { round: round(1, HOUR_MS), late: false }]);
    assert_eq!(changes.players.into_iter().collect::<Vec<_>>(), [(user("ann"), None), (user("bob"), None)]);

    let counted = world.apply(game::Stamps::of_arrival(HOUR_MS), &press("ann")).unwrap();
    assert_eq!(counted, Outcome::Press(PressOutcome::Counted { points: 1 }));
    let poor =
        world.apply(game::Stamps::of_arrival(HOUR_MS), &buy("ann", "a", PowerupKind::Freeze, 6.0)).unwrap();
    assert_eq!(poor, Outcome::Purchase(PurchaseOutcome::NotEnoughPoints));
    world.apply(game::Stamps::of_arrival(HOUR_MS), &buy("ann", "a", PowerupKind::Freeze, 6.0)).unwrap();
    assert_eq!(world.apply(game::Stamps::of_arrival(HOUR_MS), &press("zoe")), Ok(Outcome::UnknownPlayer));
    let changed: Vec<_> = world.changed().map(|(name, player)| (name.as_str(), player.score)).collect();
    assert_eq!(changed, [("ann", 1)]);
    let changes = world.take_changes();
    let before = Standing { score: 0, reached_at_ms: 1, username: user("ann") };
    assert_eq!(changes.players.into_iter().collect::<Vec<_>>(), [(user("ann"), Some(before))]);
    assert_eq!(changes.purchases.into_values().collect::<Vec<_>>(), [PurchaseOutcome::NotEnoughPoints]);
    assert!(changes.rounds.is_empty() && changes.devices.is_empty());
    assert_eq!(world.take_changes(), game::Changes::default());
}

#[test]
fn an_unknown_player_leaves_no_trace() {
    check(
        "rounds 10h
         O1   | press               | unknown_player same
         O1   | buy FREEZE 6 id=a   | unknown_player same
         O1   | add                 | new
         O1   | set score=60        |
         O1   | buy FREEZE 6 id=a   | bought
         O1   | press               | counted:1",
    );
}

#[test]
fn one_player_does_not_see_another() {
    check(
        "rounds 10h
         0         | add                        | new
         0         | bob: add                   | new
         0         | set score=700 streak=5     |
         0         | bob: set score=700 streak=5 |
         9h        | buy EXTENDER 5             | bought score=0
         9h        | bob: buy FREEZE 6          | bought score=640
         O1        | press                      | counted:6 score=6 cutoff1=O1+550s
         O1+110s   | bob: press                 | counted:6 score=646 cutoff1=O1+110s
         O1+110s   | read                       | shown score=6 streak=6 freeze=none extender=5@9h..15h",
    );
}
