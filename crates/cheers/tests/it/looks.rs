//! The questions who is near, and what a request does with the answers.

use cheers::{Act, Candidate, Effect, Nearest, Outcome, Reply, RequestStatus, Rules};

use crate::world::{USER, World, at};

#[test]
fn a_stale_position_is_not_matched() {
    let (mut world, user, _) = World::with_three(Rules::default());
    world.now_ms += 59_999;
    assert_eq!(world.look(at(USER), &[]).candidates.len(), 2);
    world.now_ms += 1;
    let request = world.ask(&user);
    assert_eq!(world.status(&request), RequestStatus::NoMatch);
}

#[test]
fn while_only_held_partners_are_near_a_request_looks_again_every_five_seconds() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    world.set_on(&p2, false);
    let first = world.ask(&user);
    let second_user = world.user();
    let second = world.ask(&second_user);
    assert_eq!(world.status(&second), RequestStatus::Pending);
    world.pass(6_000);
    assert_eq!((world.status(&second), world.request(&second).looks), (RequestStatus::Pending, 2));
    world.answer(&p1, &first, false);
    assert_eq!(world.status(&second), RequestStatus::Pending);
    world.pass(3_999);
    assert_eq!(world.status(&second), RequestStatus::Pending);
    world.pass(1);
    assert_eq!(world.status(&second), RequestStatus::Offered);
    world.accept(&p1, &second);
}

#[test]
fn partners_whom_presence_wrongly_calls_free_are_passed_over_for_those_behind_them() {
    let mut world = World::new(Rules::default());
    let (first, second) = (world.user(), world.user());
    let mut partners: Vec<_> = (0..20).map(|_| world.partner(USER)).collect();
    partners.sort();
    // Both requests carry the same eight.
    let nearest = world.look(at(USER), &[]);
    let mut ask = |user: &String| {
        let request_type = "cheer".to_owned();
        let (user, nearest) = (user.clone(), nearest.clone());
        let act = Act::Request { user, location: at(USER), request_type, nearest };
        let Outcome::Requested { request, .. } = world.send(act) else { panic!() };
        request
    };
    let (first, second) = (ask(&first), ask(&second));
    assert_eq!(world.request(&first).offers[0].partner, partners[0]);
    assert_eq!(world.request(&second).offers[0].partner, partners[1]);
    // All eight are taken by others: the ninth is found without a pause.
    let users: Vec<_> = (0..7).map(|_| world.user()).collect();
    let requests: Vec<_> = users
        .iter()
        .map(|user| {
            let request_type = "cheer".to_owned();
            let (user, nearest) = (user.clone(), nearest.clone());
            let act = Act::Request { user, location: at(USER), request_type, nearest };
            let Outcome::Requested { request, .. } = world.send(act) else { panic!() };
            request
        })
        .collect();
    assert_eq!(world.status(&requests[6]), RequestStatus::Pending);
    let effect = world.play.effects().next().unwrap().0.clone();
    let Effect::Nearest { excluded, .. } = world.ask_of(&effect) else { panic!() };
    assert_eq!(excluded, nearest.candidates.iter().map(|it| it.partner.clone()).collect::<Vec<_>>());
    world.settle();
    assert_eq!(world.request(&requests[6]).offers[0].partner, partners[8]);
}

#[test]
fn a_candidate_who_is_too_far_or_excluded_is_not_asked_whatever_the_edge_says() {
    let (mut world, user, [p1, _, p3]) = World::with_three(Rules { offers_at_once: 3, ..Rules::default() });
    let candidate =
        |partner: &String, distance_m| Candidate { partner: partner.clone(), distance_m, free_since_ms: 0 };
    let nearest = Nearest {
        candidates: vec![candidate(&p3, 10_001), candidate(&p1, 608), candidate(&p1, 608)],
        is_somebody_held: false,
    };
    let request_type = "cheer".to_owned();
    let act = Act::Request { user, location: at(USER), request_type, nearest: nearest.clone() };
    let Outcome::Requested { request, .. } = world.send(act) else { panic!() };
    let offers = world.request(&request).offers;
    assert_eq!(offers.iter().map(|offer| &offer.partner).collect::<Vec<_>>(), [&p1]);
    world.send(Act::AnswerOffer { partner: p1, request: request.clone(), accept: false });
    let look = world.play.effects().next().unwrap().0.clone();
    let reply = Reply::Nearest(nearest);
    world.play.reply(world.now_ms, look, Ok(reply)).unwrap();
    assert_eq!(world.status(&request), RequestStatus::NoMatch);
}

#[test]
fn a_look_that_fails_is_repeated_within_the_requests_time() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    world.send(Act::AnswerOffer { partner: p1, request: request.clone(), accept: false });
    let look = world.play.effects().next().unwrap().0.clone();
    let failed = kind::Failed { tries: 12, reason: "no presence".to_owned() };
    world.play.reply(world.now_ms, look.clone(), Err(failed)).unwrap();
    assert_eq!(world.status(&request), RequestStatus::Pending);
    world.pass(4_999);
    assert_eq!(world.status(&request), RequestStatus::Pending);
    world.pass(1);
    assert_eq!(world.request(&request).offers[1].partner, p2);
}

#[test]
fn an_answer_to_a_look_before_the_redrive_does_not_end_the_search() {
    let (mut world, user, [p1, p2, _]) = World::with_three(Rules::default());
    world.set_on(&p2, false);
    let other = world.user();
    world.ask(&other);
    // P1 is held, so this one looks; nobody answers the look until its time is over.
    let request = world.ask(&user);
    let look = world.play.next_effect().unwrap().1;
    world.now_ms += 300_000;
    assert_eq!(world.send(Act::RequestDue { request: request.clone() }), Outcome::Done);
    let nearest = Nearest { candidates: Vec::new(), is_somebody_held: true };
    assert_eq!(world.send(Act::Redrive { request: request.clone(), nearest }), Outcome::Redriven);
    let nobody = Reply::Nearest(Nearest::default());
    world.play.reply(world.now_ms, look, Ok(nobody)).unwrap();
    assert_eq!(world.status(&request), RequestStatus::Pending);
    world.pass(5_000);
    assert_eq!(world.request(&request).offers[0].partner, p1);
}
