//! Changing the number of partitions changes only where a player is.

use game::{Stamps, World, partition_of};
use proptest::prelude::*;

use crate::support::{HOUR_MS, add_with, buy, press, round};

/// A game with this many partitions in which these players have joined, bought and pressed. `is_late` selects the
/// partitions in which the round was announced late.
fn played(
    partitions: u16,
    from_ms: i64,
    worlds: &mut [World],
    players: &[(u8, bool, bool)],
    is_late: impl Fn(usize) -> bool,
) {
    let opening = round(u64::try_from(from_ms / HOUR_MS).unwrap(), from_ms);
    for (partition, world) in worlds.iter_mut().enumerate() {
        let stored_at_ms = Some(from_ms + i64::from(is_late(partition)));
        let stamps = Stamps { arrived_at_ms: from_ms - 2_000, stored_at_ms };
        world.apply(stamps, &game::Action::Announce(opening)).unwrap();
    }
    for (at_ms, (player, buys, presses)) in (from_ms + 1..).zip(players) {
        let name = format!("player-{player}");
        let world = &mut worlds[usize::from(partition_of(&name, partitions))];
        // Players share tokens: the last claim owns the device, also across partitions.
        let token = format!("device-{}", player % 7);
        world.apply(Stamps::of_arrival(at_ms), &add_with(&name, None, None, Some(&token))).unwrap();
        if *buys {
            world
                .apply(
                    Stamps::of_arrival(at_ms),
                    &buy(&name, &format!("purchase-{at_ms}"), game::PowerupKind::Extender, 2.0),
                )
                .unwrap();
        }
        if *presses {
            world.apply(Stamps::of_arrival(at_ms), &press(&name)).unwrap();
        }
    }
    let through_ms = from_ms + 600_000;
    for world in worlds.iter_mut() {
        world.apply(Stamps::of_arrival(through_ms), &game::Action::Tick { through_ms }).unwrap();
    }
}

/// The greatest claim to each device in all of these worlds.
fn owners(worlds: &[World]) -> Vec<(String, String)> {
    let mut greatest = std::collections::BTreeMap::new();
    for (token, claim) in worlds.iter().flat_map(|world| &world.changes.devices) {
        let claim = (claim.arrived_at_ms, claim.username.as_str().to_owned());
        let known = greatest.entry(token.as_str().to_owned()).or_insert_with(|| claim.clone());
        *known = claim.max(known.clone());
    }
    greatest.into_iter().map(|(token, (_, username))| (token, username)).collect()
}

proptest! {
    /// A game that is repartitioned and continued equals a game that always had the new number.
    #[test]
    fn a_game_goes_on_as_if_it_had_always_had_this_number(
        before in 1_u16..6,
        after in 1_u16..6,
        first in prop::collection::vec((0_u8..40, any::<bool>(), any::<bool>()), 0..80),
        second in prop::collection::vec((0_u8..40, any::<bool>(), any::<bool>()), 0..80),
        late in prop::option::of(0_usize..5),
    ) {
        let late = late.filter(|late| *late < usize::from(before));
        let mut worlds = vec![World::default(); usize::from(before)];
        played(before, HOUR_MS, &mut worlds, &first, |partition| Some(partition) == late);
        let mut worlds = World::repartition(worlds, after);
        played(after, 2 * HOUR_MS, &mut worlds, &second, |_| false);

        let mut always = vec![World::default(); usize::from(after)];
        // Late in one partition means late in all.
        played(after, HOUR_MS, &mut always, &first, |_| late.is_some());
        played(after, 2 * HOUR_MS, &mut always, &second, |_| false);

        prop_assert_eq!(owners(&worlds), owners(&always));
        for (dealt, always) in worlds.iter_mut().zip(&mut always) {
            // Where several partitions had claimed a device, each keeps its own claim.
            dealt.changes.devices.clear();
            always.changes.devices.clear();
        }
        prop_assert_eq!(worlds, always);
    }
}
