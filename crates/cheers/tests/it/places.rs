//! Distances, and the nearest against all of them, sorted.

use cheers::{Location, Nearest, Outcome, PartnerPosition, PartnerStatus, Rules, nearest};
use proptest::prelude::*;

use crate::world::{P1, P2, P3, USER, World, at, is_full};

#[test]
fn distances_are_those_of_the_great_circle() {
    for (from, to, metres, tolerance) in [
        (USER, P1, 608, 5),
        (USER, P2, 5_185, 5),
        (USER, P3, 28_005, 5),
        ((0.0, 179.999), (0.0, -179.999), 222, 1),
        ((60.0, 0.0), (60.0, 0.02), 1_112, 1),
        ((60.0, 0.0), (60.015, 0.0), 1_668, 1),
        ((90.0, 0.0), (90.0, 77.0), 0, 0),
        ((90.0, 0.0), (-90.0, 12.0), 20_015_109, 1),
        ((0.0, 0.0), (0.0, 180.0), 20_015_109, 1),
        ((89.999, 0.0), (89.999, 180.0), 222, 1),
        ((0.0, -180.0), (0.0, 180.0), 0, 0),
    ] {
        let distance_m = at(from).distance_m(at(to));
        assert!(distance_m.abs_diff(metres) <= tolerance, "{from:?} {to:?} {distance_m}");
        assert_eq!(distance_m, at(to).distance_m(at(from)));
    }
}

#[test]
fn across_the_antimeridian_and_far_north_the_nearest_is_asked() {
    let near = |user: (f64, f64), partners: &[(f64, f64)]| {
        let mut world = World::new(Rules::default());
        let partners: Vec<_> = partners.iter().map(|place| world.partner(*place)).collect();
        let user_id = world.user();
        let nearest = world.look(at(user), &[]);
        let request_type = "cheer".to_owned();
        let act = cheers::Act::Request { user: user_id, location: at(user), request_type, nearest };
        let Outcome::Requested { request, .. } = world.send(act) else { panic!() };
        let asked = world.request(&request).offers[0].partner.clone();
        partners.iter().position(|partner| *partner == asked).unwrap()
    };
    assert_eq!(near((0.0, 179.999), &[(0.0, -179.999)]), 0);
    assert_eq!(near((60.0, 10.0), &[(60.015, 10.0), (60.0, 10.02)]), 1);
}

fn position(partner: &str, location: Location) -> PartnerPosition {
    let partner = partner.to_owned();
    PartnerPosition { partner, location, at_ms: 0, status: PartnerStatus::Available, free_since_ms: 0 }
}

fn names(nearest: &Nearest) -> Vec<&str> {
    nearest.candidates.iter().map(|candidate| candidate.partner.as_str()).collect()
}

#[test]
fn order_is_by_steps_of_fifty_metres_then_longest_free_then_id() {
    let user = at((0.0, 0.0));
    // A ten-thousandth of a degree is 11 m: 44, 33, 44 and 55 m.
    let place = |n: f64| at((n / 10_000.0, 0.0));
    let positions = [
        PartnerPosition { free_since_ms: 5, ..position("a", place(4.0)) },
        PartnerPosition { free_since_ms: 9, ..position("b", place(3.0)) },
        PartnerPosition { free_since_ms: 5, ..position("0", place(4.0)) },
        PartnerPosition { free_since_ms: 1, ..position("c", place(5.0)) },
    ];
    assert_eq!(names(&nearest(&positions, user, &[], 0, &Rules::default())), ["0", "a", "b", "c"]);
    let excluded = ["a".to_owned(), "0".to_owned()];
    assert_eq!(names(&nearest(&positions, user, &excluded, 0, &Rules::default())), ["b", "c"]);
}

#[test]
fn who_is_off_busy_stale_or_far_is_not_near_and_who_is_held_is_said() {
    let user = at((0.0, 0.0));
    let rules = Rules::default();
    // 0.0899 degrees are 9 996 m, 0.09 are 10 007 m.
    let positions = |status: PartnerStatus| {
        [PartnerPosition { status, ..position("a", at((0.0, 0.0899))) }, position("b", at((0.09, 0.0)))]
    };
    let on = positions(PartnerStatus::Available);
    assert_eq!(names(&nearest(&on, user, &[], 59_999, &rules)), ["a"]);
    assert_eq!(nearest(&on, user, &[], 60_000, &rules), Nearest::default());
    for status in [PartnerStatus::Offline, PartnerStatus::Busy { ride: "r".to_owned() }] {
        assert_eq!(nearest(&positions(status), user, &[], 0, &rules), Nearest::default());
    }
    let held = positions(PartnerStatus::Offered { request: "q".to_owned() });
    let only_held = Nearest { candidates: Vec::new(), is_somebody_held: true };
    assert_eq!(nearest(&held, user, &[], 0, &rules), only_held);
    // One who rejected this request does not make it wait.
    assert_eq!(nearest(&held, user, &["a".to_owned()], 0, &rules), Nearest::default());
}

/// The same by sorting all of them.
fn brute_force(positions: &[PartnerPosition], user: Location, excluded: &[String], now_ms: i64) -> Nearest {
    let rules = Rules::default();
    let near: Vec<_> = positions
        .iter()
        .map(|position| (user.distance_m(position.location), position))
        .filter(|(distance_m, position)| {
            *distance_m <= 10_000 && now_ms - position.at_ms < 60_000 && !excluded.contains(&position.partner)
        })
        .collect();
    let mut free: Vec<_> =
        near.iter().filter(|(_, position)| position.status == PartnerStatus::Available).collect();
    free.sort_by_key(|(distance_m, position)| (distance_m / 50, position.free_since_ms, &position.partner));
    let candidates = free.into_iter().take(rules.candidates_max).map(|(distance_m, position)| {
        let (partner, free_since_ms) = (position.partner.clone(), position.free_since_ms);
        cheers::Candidate { partner, distance_m: *distance_m, free_since_ms }
    });
    let is_held =
        |(_, position): &(u32, &PartnerPosition)| matches!(position.status, PartnerStatus::Offered { .. });
    Nearest { candidates: candidates.collect(), is_somebody_held: near.iter().any(is_held) }
}

/// The distance by the chord through the earth, which has nothing in common with the haversine.
fn chord_m(a: Location, b: Location) -> f64 {
    let point = |it: Location| {
        let (lat, lon) = (it.lat().to_radians(), it.lon().to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (a, b) = (point(a), point(b));
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let norm = cross.iter().map(|it| it * it).sum::<f64>().sqrt();
    6_371_007.180_918_475 * norm.atan2(dot)
}

/// A place anywhere, at a pole, or near the antimeridian.
fn place() -> impl Strategy<Value = (f64, f64)> {
    prop_oneof![
        (-90.0..=90.0, -180.0..=180.0),
        (prop::sample::select(vec![-89.99, -89.9999, -90.0, 90.0, 89.9999, 89.95]), -180.0..=180.0),
        (-70.0..=70.0, prop::sample::select(vec![-180.0, 180.0, -179.99, 179.99])),
    ]
}

/// A partner beside a place, in degrees of latitude and about as far in longitude.
fn beside((lat, lon): (f64, f64), (north, east): (f64, f64)) -> Location {
    let lat = (lat + north).clamp(-90.0, 90.0);
    let lon = lon + east / lat.to_radians().cos().max(0.000_1);
    let lon = (lon + 180.0).rem_euclid(360.0) - 180.0;
    at((lat, lon))
}

type Beside = ((f64, f64), u8, i64, i64);

fn partners() -> impl Strategy<Value = Vec<Beside>> {
    let offset = || prop_oneof![-0.001..0.001_f64, -0.12..0.12_f64];
    prop::collection::vec(((offset(), offset()), 0..8_u8, -70_000..1_000_i64, 0..4_i64), 0..40)
}

fn positions(user: (f64, f64), partners: &[Beside]) -> Vec<PartnerPosition> {
    let position = |(n, (offset, status, at_ms, free_since_ms)): (usize, &Beside)| PartnerPosition {
        partner: format!("p{}", n * 7 % 40),
        location: beside(user, *offset),
        at_ms: *at_ms,
        status: match status {
            0 => PartnerStatus::Offline,
            1 => PartnerStatus::Offered { request: "q".to_owned() },
            2 => PartnerStatus::Busy { ride: "r".to_owned() },
            _ => PartnerStatus::Available,
        },
        free_since_ms: *free_since_ms,
    };
    partners.iter().enumerate().map(position).collect()
}

/// How many random cases: 1 000 000 with `FULL` set.
fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if is_full() { 1_000_000 } else { 2_000 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_nearest_are_those_that_sorting_all_of_them_finds(
        user in place(),
        partners in partners(),
        excluded in prop::collection::vec(0..40_usize, 0..5),
    ) {
        let positions = positions(user, &partners);
        let excluded: Vec<_> = excluded.iter().map(|n| format!("p{n}")).collect();
        let found = nearest(&positions, at(user), &excluded, 0, &Rules::default());
        prop_assert_eq!(found, brute_force(&positions, at(user), &excluded, 0));
    }

    #[test]
    fn a_distance_agrees_with_that_by_another_formula(a in place(), b in place(), near in (-0.1..0.1, -0.1..0.1)) {
        for (a, b) in [(at(a), at(b)), (at(a), beside(a, near))] {
            let distance_m = f64::from(a.distance_m(b));
            prop_assert!((distance_m - chord_m(a, b)).abs() < 1.0, "{a:?} {b:?} {distance_m}");
        }
    }
}
