//! Many partners and requests: fairness, and what several offers at once gain.

use std::collections::BTreeMap;

use cheers::{RequestStatus, Rules};
use kind::seed_of;

use crate::world::{USER, World};

/// What a partner does with an offer.
enum Mood {
    Accepts,
    Rejects,
    Silent,
}

/// Answers the open offers of a request, or lets them go by, until it is matched or ends. An answer takes `answer_ms`.
fn play_out(world: &mut World, request: &str, answer_ms: i64, mood: &mut impl FnMut() -> Mood) {
    while world.status(request) == RequestStatus::Offered {
        let open: Vec<_> = world.request(request).open_offers().map(|offer| offer.partner.clone()).collect();
        let until_ms = world.request(request).open_offers().map(|offer| offer.until_ms).max().unwrap();
        let round = world.request(request).offers.len();
        let moods: Vec<_> = open.into_iter().map(|partner| (partner, mood())).collect();
        world.pass(answer_ms);
        for (partner, mood) in moods {
            match mood {
                Mood::Accepts if world.status(request) == RequestStatus::Offered => {
                    let ride = world.accept(&partner, request);
                    world.start(&partner, &ride);
                    world.end(&partner, &ride);
                }
                Mood::Rejects => {
                    world.answer(&partner, request, false);
                }
                Mood::Accepts | Mood::Silent => {}
            }
        }
        let is_same_round = world.request(request).offers.len() == round;
        if is_same_round && world.status(request) == RequestStatus::Offered {
            world.pass(until_ms - world.now_ms);
        }
    }
}

#[test]
fn a_hundred_partners_in_one_place_are_asked_equally_often() {
    let mut world = World::new(Rules::default());
    let user = world.user();
    let mut asked: BTreeMap<_, u32> = (0..100).map(|_| (world.partner(USER), 0)).collect();
    let mut turns = 0;
    for _ in 0..1_000 {
        let request = world.ask(&user);
        play_out(&mut world, &request, 1, &mut || {
            turns += 1;
            match seed_of(&format!("turn {turns}")) % 10 {
                0 => Mood::Silent,
                1..=3 => Mood::Rejects,
                _ => Mood::Accepts,
            }
        });
        for offer in world.request(&request).offers {
            *asked.get_mut(&offer.partner).unwrap() += 1;
        }
        let (least, most) = (asked.values().min().unwrap(), asked.values().max().unwrap());
        assert!(most - least <= 1, "{least} {most}");
    }
    assert!(asked.values().sum::<u32>() > 1_300);
}

/// The 90th percentile of the time to a match, in milliseconds, if 70 of 100 partners are silent and the others accept
/// after 3 s. A request that nobody accepts counts with its whole time.
fn p90_to_match_ms(offers_at_once: usize) -> i64 {
    let rules = Rules { offers_at_once, ..Rules::default() };
    let request_ms = rules.request_ms;
    let mut world = World::new(rules);
    let user = world.user();
    for _ in 0..60 {
        world.partner(USER);
    }
    let mut turns = 0;
    let mut times: Vec<_> = (0..300)
        .map(|_| {
            let request = world.ask(&user);
            play_out(&mut world, &request, 3_000, &mut || {
                turns += 1;
                if seed_of(&format!("{offers_at_once} {turns}")) % 10 < 7 {
                    Mood::Silent
                } else {
                    Mood::Accepts
                }
            });
            let row = world.request(&request);
            row.matched_at_ms.map_or(request_ms, |matched_at_ms| matched_at_ms - row.created_at_ms)
        })
        .collect();
    times.sort_unstable();
    times[times.len() * 9 / 10]
}

#[test]
fn three_offers_at_once_halve_the_time_to_a_match_at_least() {
    let (one, three) = (p90_to_match_ms(1), p90_to_match_ms(3));
    assert!(three * 2 <= one, "{three} {one}");
}
