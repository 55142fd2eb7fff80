//! The meter, from arrival to end.

use cheers::{
    Act, CheerRequestView, CheersFrame, Denial, Outcome, PaymentStatus, RequestStatus, RideStatus, Rules,
    user_topic,
};

use crate::world::{World, denied};

#[test]
fn the_fare_is_by_started_five_minutes_and_repetitions_change_nothing() {
    for (ms, cents, seconds) in [
        (0, 1_000, 0),
        (300_000, 1_000, 300),
        (300_999, 2_000, 300),
        (301_000, 2_000, 301),
        (601_000, 3_000, 601),
        (3_600_000, 12_000, 3_600),
    ] {
        let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
        let request = world.ask(&user);
        let ride = world.accept(&p1, &request);
        let started = world.start(&p1, &ride);
        assert_eq!(started, Outcome::Started { started_at_ms: world.now_ms });
        world.pass(ms);
        assert_eq!(world.start(&p1, &ride), started);
        let outcome = world.end(&p1, &ride);
        let Outcome::Ended(ended) = &outcome else { panic!() };
        assert_eq!((ended.fare_cents, ended.duration_s, ended.ended_at_ms), (cents, seconds, world.now_ms));
        let rows = world.rows();
        world.pass(10_000);
        assert_eq!(world.end(&p1, &ride), outcome);
        assert_eq!(world.start(&p1, &ride), started);
        assert_eq!((world.rows(), world.links), (rows, 1));
        assert_eq!(world.payment(&ended.payment).amount_cents, cents);
        assert_eq!(world.status(&request), RequestStatus::Completed);
        assert!(world.is_free(&p1));
        let row = world.request(&request);
        assert_eq!((row.started_at_ms, row.ended_at_ms), (Some(1_000_000), Some(ended.ended_at_ms)));
    }
}

#[test]
fn a_ride_is_started_and_ended_by_its_partner_only_and_in_order() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    let rows = world.rows();
    for (outcome, status, denial) in [
        (world.end(&p1, &ride), 409, Denial::RideNotStarted),
        (world.start(&p2, &ride), 403, Denial::NotYours),
        (world.end(&p2, &ride), 403, Denial::NotYours),
        (world.start(&p1, "main_none"), 404, Denial::UnknownRide),
        (world.end(&p1, "main_none"), 404, Denial::UnknownRide),
        // The user's own id opens nothing, either.
        (world.start(&user, &ride), 403, Denial::NotYours),
    ] {
        assert_eq!((outcome.status(), outcome), (status, denied(denial)));
    }
    assert_eq!(world.rows(), rows);
}

#[test]
fn another_market_knows_nothing_of_a_ride() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    let rows = world.rows();
    let act = Act::StartRide { partner: p1, ride, pin: None };
    let outcome = world.play.send(world.now_ms, cheers::Command { market: "north".to_owned(), act }).unwrap();
    assert_eq!(outcome, denied(Denial::UnknownRide));
    assert_eq!(world.rows(), rows);
}

#[test]
fn a_clock_that_goes_back_between_start_and_end_costs_one_step() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    world.start(&p1, &ride);
    world.now_ms -= 400;
    let Outcome::Ended(ended) = world.end(&p1, &ride) else { panic!() };
    assert_eq!((ended.fare_cents, ended.duration_s), (1_000, 0));
}

#[test]
fn the_start_needs_the_pin_where_it_is_on_and_five_wrong_ones_make_a_new_one() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules { is_pin_needed: true, ..Rules::default() });
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    let pin = world.ride(&ride).pin;
    assert!(pin.len() == 4 && pin.bytes().all(|b| b.is_ascii_digit()), "{pin}");
    let start = |world: &mut World, pin: Option<&str>| {
        let pin = pin.map(str::to_owned);
        world.send(Act::StartRide { partner: p1.clone(), ride: ride.clone(), pin })
    };
    assert_eq!(start(&mut world, None), denied(Denial::WrongPin));
    for _ in 0..3 {
        assert_eq!(start(&mut world, Some("x")).status(), 403);
    }
    assert_eq!(world.ride(&ride).pin, pin);
    let told = world.frames(&user_topic(&user)).len();
    assert_eq!(start(&mut world, Some("x")), denied(Denial::WrongPin));
    let new = world.ride(&ride).pin;
    assert_ne!(new, pin);
    let frame = CheersFrame::RequestStatus { request_id: request, status: RequestStatus::Matched };
    assert_eq!(world.frames(&user_topic(&user))[told..], [frame]);
    assert_eq!(start(&mut world, Some(&pin)), denied(Denial::WrongPin));
    assert_eq!(world.ride(&ride).wrong_pins, 1);
    let started = start(&mut world, Some(&new));
    assert_eq!(started.status(), 200);
    // Started: a repetition needs no pin.
    assert_eq!(start(&mut world, None), started);
}

#[test]
fn the_user_sees_partner_pin_ride_and_payment_and_others_see_nothing() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let view = |world: &World, user: &str, request: &str| {
        let row = world.request(request);
        let partner = row.accepted().map(|offer| world.partner_row(&offer.partner));
        let ride = row.ride.as_ref().map(|ride| world.ride(ride));
        let payment = ride.as_ref().and_then(|ride| ride.payment.as_ref()).map(|id| world.payment(id));
        let (ride, partner) = (ride.as_ref(), partner.as_ref());
        CheerRequestView::new(user, (request, &row), ride, partner, payment.as_ref(), world.now_ms)
    };
    let request = world.ask(&user);
    assert_eq!(view(&world, &p1, &request), None);
    let json = serde_json::to_value(view(&world, &user, &request)).unwrap();
    let expected = serde_json::json!({"requestId": request, "status": "OFFERED", "expiresAt": 1_300_000});
    assert_eq!(json, expected);
    let ride = world.accept(&p1, &request);
    let json = serde_json::to_value(view(&world, &user, &request)).unwrap();
    let expected = serde_json::json!({
        "requestId": request, "status": "MATCHED", "expiresAt": 1_300_000,
        "partner": {"id": p1, "name": "Partner 2", "distanceM": world.request(&request).offers[0].distance_m},
        "pin": world.ride(&ride).pin,
        "ride": {"rideId": ride, "status": "ACCEPTED", "startTime": null, "endTime": null, "fareCents": null},
    });
    assert_eq!(json, expected);
    world.start(&p1, &ride);
    world.pass(301_000);
    world.end(&p1, &ride);
    let seen = view(&world, &user, &request).unwrap();
    assert_eq!(seen.pin, None);
    let shown = seen.ride.unwrap();
    assert_eq!((shown.status, shown.fare_cents), (RideStatus::Ended, Some(2_000)));
    let payment = seen.payment.unwrap();
    assert_eq!((payment.amount_cents, payment.status), (2_000, PaymentStatus::Pending));
    assert_eq!(payment.link.as_deref(), Some("https://pay.example/cs_1"));
    // A link that lives no longer is not shown.
    world.now_ms += 86_400_000;
    assert_eq!(view(&world, &user, &request).unwrap().payment.unwrap().link, None);
}
