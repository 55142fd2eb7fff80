//! Rules, "Players and devices": repeated adds, and the owner of a token.

use game::{Platform, World};

use crate::support::table::check;
use crate::support::{add_with, user};

#[test]
fn add_keeps_what_was_earned_and_replaces_what_is_given() {
    check(
        "rounds 10h
         0    | read                           | unknown_player
         1h   | add                            | new score=0 streak=0 reached=1h name=none platform=none
         1h   | set score=2000                 |
         2h   | buy FREEZE 6 id=f              | bought
         2h   | buy MULTIPLIER 2 id=m          | bought
         2h   | buy EXTENDER 5 id=e            | bought extender=5@2h..8h
         O1   | press                          | counted:1 score=1181
         O1+1 | add name=Ann platform=android  | kept name=Ann platform=android score=1181 streak=1 reached=O1
         O1+2 | add                            | kept same
         O1+3 | add platform=ios               | kept name=Ann platform=ios
         O1+4 | add name=Anna                  | kept name=Anna platform=ios
         O1+5 | add token=t                    | kept same freeze=6@2h..8h multiplier=2@2h..8h extender=5@2h..8h purchase=e:bought last=counted:1/1@O1
         O1+6 | press                          | already_pressed",
    );
}

#[test]
fn the_first_add_decides_when_a_player_came() {
    // Round 1 opened before the first add, round 2 before the second.
    check(
        "rounds 10h 11h
         O1+1      | add          | new
         O1+1      | set streak=5 |
         O2        | add          | kept streak=5
         O2+110s+1 | add          | kept streak=0",
    );
}

/// Applies adds of the same token (arrived_at, username, platform) in every order.
fn owner_in_every_order(adds: &[(i64, &str, Option<Platform>)], owner: (i64, &str, Option<Platform>)) {
    for turn in 0..adds.len() {
        for reversed in [false, true] {
            let mut order = adds.to_vec();
            order.rotate_left(turn);
            if reversed {
                order.reverse();
            }
            let mut world = World::default();
            for &(at_ms, name, platform) in &order {
                world
                    .apply(game::Stamps::of_arrival(at_ms), &add_with(name, None, platform, Some("token")))
                    .unwrap();
            }
            let devices = world.take_changes().devices;
            let device = devices.values().next().unwrap();
            let found = (device.arrived_at_ms, device.username.as_str(), device.platform);
            assert_eq!((devices.len(), found), (1, owner), "{order:?}");
        }
    }
}

#[test]
fn a_token_belongs_to_the_greatest_arrival_then_username() {
    let ios = Some(Platform::Ios);
    let web = Some(Platform::Web);
    owner_in_every_order(&[(1, "zoe", ios), (2, "ann", web)], (2, "ann", web));
    owner_in_every_order(&[(2, "ann", ios), (2, "zoe", web)], (2, "zoe", web));
    owner_in_every_order(&[(2, "Z", ios), (2, "a", web), (2, "aa", None)], (2, "aa", None));
    owner_in_every_order(&[(2, "z", ios), (2, "é", web)], (2, "é", web));
    owner_in_every_order(&[(1, "ann", ios), (3, "ann", web), (2, "bob", ios)], (3, "ann", web));
}

#[test]
fn a_player_may_have_several_devices_and_they_are_listed_in_token_order() {
    let mut world = World::default();
    for (at_ms, name, token) in [(1, "ann", "t2"), (2, "ann", "t1"), (3, "bob", "t3"), (4, "ann", "t2")] {
        world.apply(game::Stamps::of_arrival(at_ms), &add_with(name, None, None, Some(token))).unwrap();
    }
    world.apply(game::Stamps::of_arrival(5), &add_with("ann", None, None, None)).unwrap();
    let devices = world.take_changes().devices;
    let found: Vec<_> = devices
        .iter()
        .map(|(token, device)| (token.as_str(), device.arrived_at_ms, device.username.as_str()))
        .collect();
    assert_eq!(found, [("t1", 2, "ann"), ("t2", 4, "ann"), ("t3", 3, "bob")]);
}

#[test]
fn a_device_has_the_platform_that_the_player_has_with_that_add() {
    let mut world = World::default();
    world
        .apply(game::Stamps::of_arrival(1), &add_with("ann", None, Some(Platform::Android), Some("t1")))
        .unwrap();
    world.apply(game::Stamps::of_arrival(2), &add_with("ann", None, None, Some("t2"))).unwrap();
    let devices = world.take_changes().devices;
    assert!(devices.values().all(|device| device.platform == Some(Platform::Android)), "{devices:?}");
    assert_eq!(world.players[&user("ann")].platform, Some(Platform::Android));
}
