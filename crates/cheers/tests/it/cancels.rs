//! Cancelled and given back, by the user, the partner and time.

use cheers::{
    AccountRole, Act, CheersFrame, Denial, NoMatch, OfferAnswer, Outcome, PartnerStatus, RequestStatus,
    RideFlag, RideStatus, Rules, moves_topic, partner_topic, topics_for_user, user_topic,
};
use kind::EventWhat;

use crate::world::{MARKET, World, denied};

fn cancel_request(world: &mut World, user: &str, request: &str) -> Outcome {
    world.send(Act::CancelRequest { user: user.to_owned(), request: request.to_owned() })
}

fn cancel_ride(world: &mut World, by: AccountRole, id: &str, ride: &str) -> Outcome {
    let reason = Some("no time".to_owned());
    let outcome = world.send(Act::CancelRide { by, id: id.to_owned(), ride: ride.to_owned(), reason });
    world.settle();
    outcome
}

#[test]
fn a_cancel_while_offered_frees_the_partner_and_revokes_the_offer() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let other = world.user();
    assert_eq!(cancel_request(&mut world, &other, &request), denied(Denial::UnknownRequest));
    assert_eq!(cancel_request(&mut world, &user, &request), Outcome::RequestCancelled);
    let revoked = CheersFrame::OfferRevoked { request_id: request.clone() };
    assert_eq!(world.frames(&partner_topic(&p1)).last(), Some(&revoked));
    assert!(world.is_free(&p1));
    let late = world.answer(&p1, &request, true);
    assert_eq!((late.status(), late), (409, denied(Denial::OfferWithdrawn)));
    // Again: the same. The user may ask again, and P1 may be asked.
    assert_eq!(cancel_request(&mut world, &user, &request), Outcome::RequestCancelled);
    assert_eq!(world.play.timers().count(), 0);
    let request = world.ask(&user);
    assert_eq!(world.request(&request).offers[0].partner, p1);
}

#[test]
fn a_cancel_after_the_match_frees_both_and_bills_nobody() {
    for by_ride in [false, true] {
        let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
        let request = world.ask(&user);
        let ride = world.accept(&p1, &request);
        if by_ride {
            let cancelled = cancel_ride(&mut world, AccountRole::User, &user, &ride);
            assert_eq!(cancelled, Outcome::RideCancelled);
        } else {
            assert_eq!(cancel_request(&mut world, &user, &request), Outcome::RequestCancelled);
        }
        assert_eq!(world.status(&request), RequestStatus::Cancelled);
        assert_eq!(world.ride(&ride).status, RideStatus::Cancelled);
        assert!(world.is_free(&p1));
        assert_eq!(world.user_row(&user).request, None);
        let frames = world.frames(&partner_topic(&p1));
        assert!(matches!(frames.last(), Some(CheersFrame::RideStatus { status: RideStatus::Cancelled, .. })));
        assert_eq!(world.start(&p1, &ride), denied(Denial::RideCancelled));
        assert_eq!(world.end(&p1, &ride), denied(Denial::RideCancelled));
        assert_eq!(cancel_ride(&mut world, AccountRole::User, &user, &ride), Outcome::RideCancelled);
        world.pass(43_200_000);
        assert_eq!((world.play.timers().count(), world.links), (0, 0));
    }
}

#[test]
fn a_ride_that_was_given_back_goes_to_the_next_partner_within_the_requests_time() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    assert_eq!(cancel_ride(&mut world, AccountRole::Partner, &p2, &ride), denied(Denial::NotYours));
    assert_eq!(cancel_ride(&mut world, AccountRole::Partner, &p1, &ride), Outcome::RideCancelled);
    assert_eq!(world.ride(&ride).reason.as_deref(), Some("no time"));
    assert!(world.is_free(&p1));
    let row = world.request(&request);
    assert_eq!((row.status, &row.offers[1].partner), (RequestStatus::Offered, &p2));
    assert_eq!(row.offers[0].answer, Some(OfferAnswer::GivenBack));
    assert_eq!((row.ride, row.matched_at_ms), (None, None));
    assert_eq!(world.answer(&p1, &request, true), denied(Denial::NotOffered));
    // P2 gives it back when the request's time is over.
    world.pass(20_000);
    let ride = world.accept(&p2, &request);
    world.pass(280_000);
    assert_eq!(world.status(&request), RequestStatus::Matched);
    assert_eq!(cancel_ride(&mut world, AccountRole::Partner, &p2, &ride), Outcome::RideCancelled);
    let row = world.request(&request);
    assert_eq!((row.status, row.no_match), (RequestStatus::NoMatch, Some(NoMatch::Expired)));
    assert_eq!((world.play.timers().count(), world.user_row(&user).request), (0, None));
}

#[test]
fn a_request_that_waits_after_a_give_back_still_ends_in_time() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    // P2 is held by another request, so that this one waits.
    world.set_on(&p1, false);
    let other = world.user();
    world.ask(&other);
    world.set_on(&p1, true);
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    cancel_ride(&mut world, AccountRole::Partner, &p1, &ride);
    assert_eq!(world.status(&request), RequestStatus::Pending);
    world.set_on(&p2, false);
    world.pass(300_000);
    assert_eq!(world.status(&request), RequestStatus::NoMatch);
    assert_eq!(world.play.timers().count(), 0);
}

#[test]
fn nothing_is_cancelled_after_the_start() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    world.start(&p1, &ride);
    let rows = world.rows();
    assert_eq!(cancel_request(&mut world, &user, &request), denied(Denial::RideStarted));
    assert_eq!(cancel_ride(&mut world, AccountRole::User, &user, &ride), denied(Denial::RideStarted));
    assert_eq!(cancel_ride(&mut world, AccountRole::Partner, &p1, &ride), denied(Denial::RideStarted));
    assert_eq!(world.rows(), rows);
    world.end(&p1, &ride);
    let rows = world.rows();
    assert_eq!(cancel_request(&mut world, &user, &request), denied(Denial::RequestClosed));
    assert_eq!(cancel_ride(&mut world, AccountRole::User, &user, &ride), denied(Denial::RideEnded));
    assert_eq!(cancel_ride(&mut world, AccountRole::User, &user, "main_none"), denied(Denial::UnknownRide));
    assert_eq!(world.rows(), rows);
}

#[test]
fn an_accepted_ride_that_never_starts_is_flagged_after_thirty_minutes_and_nobody_is_stuck() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    world.pass(1_799_999);
    assert_eq!(world.ride(&ride).status, RideStatus::Accepted);
    world.pass(1);
    let row = world.ride(&ride);
    assert_eq!((row.status, row.flag), (RideStatus::Flagged, Some(RideFlag::NeverStarted)));
    let row = world.request(&request);
    assert_eq!((row.status, row.no_match), (RequestStatus::NoMatch, Some(NoMatch::Expired)));
    assert!(world.is_free(&p1));
    assert_eq!((world.user_row(&user).request, world.links), (None, 0));
    assert_eq!(world.start(&p1, &ride), denied(Denial::RideFlagged));
    let end = Act::EndFlagged { ride, ended_at_ms: world.now_ms };
    assert_eq!(world.send(end), denied(Denial::NotFlagged));
}

#[test]
fn a_ride_that_starts_too_late_is_flagged_though_no_timer_has_fired() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    world.now_ms += 1_800_000;
    assert_eq!(world.start(&p1, &ride), denied(Denial::RideFlagged));
    assert_eq!(world.ride(&ride).flag, Some(RideFlag::NeverStarted));
    assert_eq!(world.status(&request), RequestStatus::NoMatch);
}

#[test]
fn a_late_arrival_within_the_requests_time_goes_to_the_next_partner() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules { arrive_ms: 60_000, ..Rules::default() });
    let request = world.ask(&user);
    world.accept(&p1, &request);
    world.pass(60_000);
    let row = world.request(&request);
    assert_eq!((row.status, &row.offers[1].partner), (RequestStatus::Offered, &p2));
}

#[test]
fn a_started_ride_that_nobody_ends_is_flagged_after_twelve_hours_and_not_billed() {
    for has_timer_fired in [true, false] {
        let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
        let request = world.ask(&user);
        let ride = world.accept(&p1, &request);
        world.pass(60_000);
        world.start(&p1, &ride);
        let started_at_ms = world.now_ms;
        if has_timer_fired {
            world.pass(43_199_999);
            assert_eq!(world.ride(&ride).status, RideStatus::Started);
            world.pass(1);
        } else {
            world.now_ms += 43_200_000;
        }
        assert_eq!(world.end(&p1, &ride), denied(Denial::RideFlagged));
        let row = world.ride(&ride);
        assert_eq!((row.status, row.flag), (RideStatus::Flagged, Some(RideFlag::NeverEnded)));
        assert_eq!((row.payment, world.links), (None, 0));
        assert_eq!(world.partner_row(&p1).status, PartnerStatus::Offline);
        // Both may go on: the user asks again, P1 comes on again.
        world.set_on(&p1, true);
        world.pass(0);
        let second = world.ask(&user);
        assert_eq!(world.request(&second).offers[0].partner, p2);
        assert_eq!(world.send(Act::GoOnline { partner: p1.clone() }), Outcome::Done);
        assert!(world.is_free(&p1));
        assert_eq!(world.partner_row(&p1).free_since_ms, world.now_ms);

        let end =
            |world: &mut World, ended_at_ms| world.send(Act::EndFlagged { ride: ride.clone(), ended_at_ms });
        assert_eq!(end(&mut world, started_at_ms - 1).status(), 400);
        let future_ms = world.now_ms + 1;
        assert_eq!(end(&mut world, future_ms), denied(Denial::WrongTime));
        let Outcome::Ended(ended) = end(&mut world, started_at_ms + 601_000) else { panic!() };
        assert_eq!((ended.fare_cents, ended.duration_s), (3_000, 601));
        world.settle();
        assert_eq!((world.payment(&ended.payment).amount_cents, world.links), (3_000, 1));
        assert_eq!(end(&mut world, started_at_ms), Outcome::Ended(ended));
        world.settle();
        assert_eq!((world.status(&request), world.links), (RequestStatus::Completed, 1));
        // What P1 and the user do by now is not touched.
        assert!(world.is_free(&p1));
        assert_eq!(world.user_row(&user).request, Some(second));
    }
}

#[test]
fn who_comes_on_while_asked_stays_asked() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let rows = world.rows();
    assert_eq!(world.send(Act::GoOnline { partner: p1 }), Outcome::Done);
    assert_eq!(world.send(Act::GoOnline { partner: request }), denied(Denial::UnknownAccount));
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_user_hears_where_the_partner_moves_from_the_match_to_the_start() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let hears = |world: &World| {
        let topic = format!("{MARKET}/{}", moves_topic(&p1));
        let actor = format!("{MARKET}/{}", user_topic(&user));
        world.play.events().iter().fold(false, |hears, event| match &event.what {
            EventWhat::Follow { actor: who, topic: it } if *it == topic => hears || *who == actor,
            EventWhat::Unfollow { actor: who, topic: it } if *it == topic => hears && *who != actor,
            _ => hears,
        })
    };
    let on_connect = |world: &World, ride: &str| topics_for_user(&user, Some(&world.ride(ride))).len() == 2;
    let request = world.ask(&user);
    assert!(!hears(&world));
    assert_eq!(topics_for_user(&user, None), [user_topic(&user)]);
    let ride = world.accept(&p1, &request);
    assert!(hears(&world) && on_connect(&world, &ride));
    cancel_ride(&mut world, AccountRole::Partner, &p1, &ride);
    assert!(!hears(&world) && !on_connect(&world, &ride));
    cancel_request(&mut world, &user, &request);
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    assert!(hears(&world));
    world.start(&p1, &ride);
    assert!(!hears(&world) && !on_connect(&world, &ride));
}
