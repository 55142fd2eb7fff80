//! Who is asked, and what an answer leads to. Numbers are those of docs/cheers.md, "What must be seen".

use cheers::{
    Act, CheersFrame, Denial, Nearest, NoMatch, OfferAnswer, Outcome, PartnerStatus, RequestStatus, Rules,
    frames_for_partner, partner_topic, user_topic,
};

use crate::world::{P2, USER, World, at, denied};

fn request_status(request: &str, status: RequestStatus) -> CheersFrame {
    CheersFrame::RequestStatus { request_id: request.to_owned(), status }
}

#[test]
fn the_nearest_partner_gets_the_offer_and_nobody_else_hears_of_it() {
    let (mut world, user, [p1, p2, p3]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let [CheersFrame::CheerOffer { request_id, distance_m, expires_at, location, request_type }] =
        &world.frames(&partner_topic(&p1))[..]
    else {
        panic!()
    };
    assert_eq!((request_id, *location, request_type.as_str()), (&request, at(USER), "cheer"));
    assert!((603..=613).contains(distance_m), "{distance_m}");
    assert_eq!(*expires_at, world.now_ms + 30_000);
    assert_eq!(world.frames(&partner_topic(&p2)), []);
    assert_eq!(world.frames(&partner_topic(&p3)), []);
    assert_eq!(world.partner_row(&p1).status, PartnerStatus::Offered { request: request.clone() });
    assert_eq!(world.frames(&user_topic(&user)), [request_status(&request, RequestStatus::Offered)]);
}

#[test]
fn an_accept_matches_and_makes_the_partner_busy() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    world.pass(7);
    let outcome = world.answer(&p1, &request, true);
    let Outcome::Accepted { ride } = &outcome else { panic!() };
    assert_eq!(outcome.status(), 200);
    assert_eq!(world.status(&request), RequestStatus::Matched);
    assert_eq!(world.partner_row(&p1).status, PartnerStatus::Busy { ride: ride.clone() });
    assert_eq!(world.frames(&partner_topic(&p2)), []);
    // Again: the same ride. Another one's accept is too late.
    let rows = world.rows();
    assert_eq!(world.answer(&p1, &request, true), outcome);
    assert_eq!(world.answer(&p2, &request, true), denied(Denial::NotOffered));
    assert_eq!(world.rows(), rows);
    let row = world.request(&request);
    assert_eq!((row.created_at_ms, row.matched_at_ms), (1_000_000, Some(1_000_007)));
    assert_eq!(row.offers[0].answer, Some(OfferAnswer::Accepted));
}

#[test]
fn who_rejects_is_never_asked_again_and_a_request_that_nobody_wants_ends() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    assert_eq!(world.answer(&p1, &request, false), Outcome::Rejected);
    assert_eq!(world.answer(&p1, &request, false), Outcome::Rejected);
    assert_eq!(world.answer(&p1, &request, true), denied(Denial::NotOffered));
    assert!(world.is_free(&p1));
    let offers: Vec<_> = world.request(&request).offers.into_iter().map(|offer| offer.partner).collect();
    assert_eq!(offers, [p1.clone(), p2.clone()]);
    assert!((5_180..=5_190).contains(&world.request(&request).offers[1].distance_m));
    assert_eq!(world.answer(&p2, &request, false), Outcome::Rejected);
    let row = world.request(&request);
    assert_eq!((row.status, row.no_match), (RequestStatus::NoMatch, Some(NoMatch::NobodyLeft)));
    let frames = world.frames(&user_topic(&user));
    assert_eq!(frames.last(), Some(&request_status(&request, RequestStatus::NoMatch)));
    // Another time does not bring back who rejected.
    let nearest = world.look(at(USER), &[]);
    assert_eq!(nearest.candidates.len(), 2);
    assert_eq!(world.send(Act::Redrive { request: request.clone(), nearest }), Outcome::Redriven);
    world.settle();
    assert_eq!(world.status(&request), RequestStatus::NoMatch);
    assert_eq!(world.request(&request).offers.len(), 2);
    assert_eq!((world.play.timers().count(), world.user_row(&user).request), (0, None));
}

#[test]
fn who_is_silent_for_thirty_seconds_loses_the_offer() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    world.pass(29_999);
    assert_eq!(world.frames(&partner_topic(&p2)), []);
    world.pass(1);
    assert_eq!(world.frames(&partner_topic(&p2)).len(), 1);
    let late = world.answer(&p1, &request, true);
    assert_eq!((late.status(), late), (409, denied(Denial::OfferExpired)));
    assert!(world.is_free(&p1));
    world.accept(&p2, &request);
}

#[test]
fn an_accept_in_time_counts_and_one_that_is_late_does_not_whatever_timers_do() {
    for (after_ms, is_in_time) in [(29_999, true), (30_000, false), (600_000, false)] {
        let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
        let request = world.ask(&user);
        // No timer fires.
        world.now_ms += after_ms;
        let outcome = world.answer(&p1, &request, true);
        assert_eq!(matches!(outcome, Outcome::Accepted { .. }), is_in_time, "{after_ms}");
    }
    // A timer that comes before its time ends nothing.
    let (mut world, user, _) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let rows = world.rows();
    for act in [Act::OffersDue { request: request.clone() }, Act::RequestDue { request }] {
        assert_eq!(world.send(act), Outcome::Done);
    }
    assert_eq!(world.rows(), rows);
}

#[test]
fn fifty_accepts_at_once_make_one_ride() {
    let mut world = World::new(Rules { offers_at_once: 8, ..Rules::default() });
    let user = world.user();
    let partners: Vec<_> = (0..50).map(|_| world.partner(USER)).collect();
    let request = world.ask(&user);
    let outcomes: Vec<_> = partners.iter().map(|partner| world.answer(partner, &request, true)).collect();
    let rides = outcomes.iter().filter(|it| matches!(it, Outcome::Accepted { .. })).count();
    let taken = outcomes.iter().filter(|it| **it == denied(Denial::OfferTaken)).count();
    let not_offered = outcomes.iter().filter(|it| **it == denied(Denial::NotOffered)).count();
    assert_eq!((rides, taken, not_offered), (1, 7, 42));
    // The seven were told, and are free.
    let revoked = CheersFrame::OfferRevoked { request_id: request };
    let is_told = |partner: &&String| world.frames(&partner_topic(partner)).contains(&revoked);
    assert_eq!(partners.iter().filter(is_told).count(), 7);
    assert_eq!(partners.iter().filter(|partner| world.is_free(partner)).count(), 49);
    // Fifty accepts of one partner are one ride, too.
    let other = world.user();
    let request = world.ask(&other);
    let partner = world.request(&request).offers[0].partner.clone();
    let rides: std::collections::BTreeSet<_> = (0..50).map(|_| world.accept(&partner, &request)).collect();
    assert_eq!(rides.len(), 1);
}

#[test]
fn a_busy_partner_is_passed_over() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    world.accept(&p1, &request);
    let second = world.user();
    let request = world.ask(&second);
    assert_eq!(world.request(&request).offers[0].partner, p2);
    // Both busy: there is nobody, at once.
    world.accept(&p2, &request);
    let third = world.user();
    let request = world.ask(&third);
    assert_eq!(world.request(&request).no_match, Some(NoMatch::NobodyNear));
}

#[test]
fn with_nobody_on_a_request_ends_at_once_and_is_given_another_time() {
    let (mut world, user, [p1, p2, p3]) = World::with_three(Rules::default());
    for partner in [&p1, &p2, &p3] {
        world.set_on(partner, false);
    }
    let request = world.ask(&user);
    let row = world.request(&request);
    assert_eq!((row.status, row.no_match), (RequestStatus::NoMatch, Some(NoMatch::NobodyNear)));
    assert_eq!(world.frames(&user_topic(&user)), [request_status(&request, RequestStatus::NoMatch)]);
    world.now_ms += 400_000;
    world.positions.insert(p1.clone(), (at(P2), world.now_ms, true));
    let nearest = world.look(at(USER), &[]);
    assert_eq!(world.send(Act::Redrive { request: request.clone(), nearest }), Outcome::Redriven);
    assert_eq!(world.request(&request).until_ms, world.now_ms + 300_000);
    world.accept(&p1, &request);
    let nearest = Nearest::default();
    let redrive = Act::Redrive { request, nearest: nearest.clone() };
    assert_eq!(world.send(redrive), denied(Denial::NotUnmatched));
    let unknown = Act::Redrive { request: "main_none".to_owned(), nearest };
    assert_eq!(world.send(unknown), denied(Denial::UnknownRequest));
}

#[test]
fn a_request_is_not_given_another_time_while_its_user_has_an_open_one() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let first = world.ask(&user);
    world.answer(&p1, &first, false);
    world.answer(&p2, &first, false);
    world.ask(&user);
    let redrive = Act::Redrive { request: first, nearest: Nearest::default() };
    assert_eq!(world.send(redrive), denied(Denial::RequestOpen));
}

#[test]
fn a_partner_who_connects_after_the_offer_gets_it_and_later_the_ride() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let frames = |world: &World, request: Option<&str>, ride: Option<&str>| {
        let request = request.map(|id| world.request(id));
        let ride = ride.map(|id| world.ride(id));
        frames_for_partner(&p1, &world.partner_row(&p1), request.as_ref(), ride.as_ref(), world.now_ms)
    };
    assert_eq!(frames(&world, None, None), []);
    let request = world.ask(&user);
    let sent = world.frames(&partner_topic(&p1));
    world.now_ms += 29_999;
    assert_eq!(frames(&world, Some(&request), None), sent);
    let ride = world.accept(&p1, &request);
    let on_connect = frames(&world, Some(&request), Some(&ride));
    assert_eq!(on_connect.first(), world.frames(&partner_topic(&p1)).last());
    let (mut world, user, _) = World::with_three(Rules::default());
    let request = world.ask(&user);
    world.now_ms += 30_000;
    assert_eq!(frames(&world, Some(&request), None), []);
}

#[test]
fn a_request_ends_after_five_minutes_and_frees_whom_it_asked() {
    let (mut world, user, [p1, p2, p3]) = World::with_three(Rules { offer_ms: 290_000, ..Rules::default() });
    let request = world.ask(&user);
    world.pass(290_000);
    let offer = world.request(&request).offers[1].clone();
    // An offer never outlives its request.
    assert_eq!((&offer.partner, offer.until_ms), (&p2, 1_300_000));
    world.pass(9_999);
    assert_eq!(world.status(&request), RequestStatus::Offered);
    world.pass(1);
    let row = world.request(&request);
    assert_eq!((row.status, row.no_match), (RequestStatus::NoMatch, Some(NoMatch::Expired)));
    assert_eq!(world.answer(&p2, &request, true), denied(Denial::OfferExpired));
    let revoked = CheersFrame::OfferRevoked { request_id: request };
    assert_eq!(world.frames(&partner_topic(&p2)).last(), Some(&revoked));
    assert!([p1, p2, p3].iter().all(|partner| world.is_free(partner)));
    assert_eq!(world.play.timers().count(), 0);
}

#[test]
fn a_user_has_one_open_request_and_may_ask_again_when_its_time_is_over() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let first = world.ask(&user);
    let second = world.try_ask(&user);
    assert_eq!((second.status(), second), (409, denied(Denial::RequestOpen)));
    // The timers of the first have not fired, and it is over all the same.
    world.now_ms += 300_000;
    for position in world.positions.values_mut() {
        position.1 = world.now_ms;
    }
    let second = world.ask(&user);
    assert_eq!(world.request(&first).no_match, Some(NoMatch::Expired));
    // Presence still took P1 for held.
    assert_eq!(world.request(&second).offers[0].partner, p2);
    assert!(world.is_free(&p1));
    assert_eq!(world.user_row(&user).request, Some(second));
    assert_eq!(world.try_ask("main_nobody").status(), 401);
}

#[test]
fn a_request_asks_a_bounded_number_of_partners() {
    let mut world = World::new(Rules { offers_max: 3, ..Rules::default() });
    let user = world.user();
    let partners: Vec<_> = (0..5).map(|_| world.partner(USER)).collect();
    let request = world.ask(&user);
    for partner in &partners[..3] {
        world.answer(partner, &request, false);
    }
    let row = world.request(&request);
    assert_eq!((row.offers.len(), row.no_match), (3, Some(NoMatch::TooManyOffers)));
}

#[test]
fn several_are_asked_at_once_and_the_next_round_waits_for_all_of_them() {
    let mut world = World::new(Rules { offers_at_once: 3, ..Rules::default() });
    let user = world.user();
    let partners: Vec<_> = (0..6).map(|_| world.partner(USER)).collect();
    let request = world.ask(&user);
    assert_eq!(world.request(&request).open_offers().count(), 3);
    world.answer(&partners[0], &request, false);
    assert_eq!(world.request(&request).open_offers().count(), 2);
    world.pass(30_000);
    let row = world.request(&request);
    let answers: Vec<_> = row.offers.iter().map(|offer| offer.answer).collect();
    use OfferAnswer::{Rejected, Silent};
    assert_eq!(answers, [Some(Rejected), Some(Silent), Some(Silent), None, None, None]);
    world.accept(&partners[4], &request);
    assert_eq!(world.answer(&partners[3], &request, true), denied(Denial::OfferTaken));
    assert_eq!(world.answer(&partners[1], &request, true), denied(Denial::OfferExpired));
}
