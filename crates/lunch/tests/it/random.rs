//! Random interleavings of everything that can reach a team, with replies that come late, fail or come twice.

use std::collections::{BTreeMap, BTreeSet};

use kind::{Failed, Halt, Input, Requester, decode_key};
use lunch::{
    Asker, Command, GROUP_MAX, Lunch, LunchGroup, MessageRef, Order, OrderPlace, Poll, PollAnswer, PollState,
    Tab, Word, order_to_create,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use crate::world::{MINUTE_MS, TEAM, World};

const PEOPLE: usize = 9;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Order {
        user: usize,
        channel: usize,
        order: Order,
        delivery: u8,
    },
    /// On the nth poll of all.
    Click {
        user: usize,
        poll: usize,
        choice: &'static str,
        ago_ms: i64,
    },
    /// Answers the nth effect that waits; `None`: it failed.
    Reply {
        effect: usize,
        works: bool,
    },
    Wait {
        minutes: i64,
    },
    /// The user goes out of the first channel, or comes back.
    Move {
        user: usize,
    },
    Private(bool),
}

fn order() -> impl Strategy<Value = Order> {
    let creates = ["", "1145, 1230 size=2", "1145 close=1130", "size=3", "1145, 1230 size=4 close=1300"];
    prop_oneof![
        4 => prop::sample::select(creates.to_vec()).prop_map(order_to_create),
        3 => Just(Order::Close),
        1 => Just(Order::Summary { days: 3 }),
        1 => Just(Order::Help),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let choice = || prop::sample::select(vec!["yes_1200", "yes_1145", "yes_1230", "no"]);
    prop_oneof![
        4 => (0..PEOPLE + 1, 0..3_usize, order(), any::<u8>())
            .prop_map(|(user, channel, order, delivery)| Step::Order { user, channel, order, delivery }),
        12 => (0..PEOPLE, 0..8_usize, choice(), 0..3_i64)
            .prop_map(|(user, poll, choice, ago_ms)| Step::Click { user, poll, choice, ago_ms }),
        16 => (0..50_usize, prop::bool::weighted(0.95))
            .prop_map(|(effect, works)| Step::Reply { effect, works }),
        2 => (1..400_i64).prop_map(|minutes| Step::Wait { minutes }),
        1 => (0..PEOPLE).prop_map(|user| Step::Move { user }),
        1 => any::<bool>().prop_map(Step::Private),
    ]
}

/// The inputs of a step, made of what the world holds now.
pub(crate) fn inputs(world: &mut World, step: &Step) -> Vec<Input<Lunch>> {
    world.now_ms += 1;
    let name = |user: usize| format!("U{}", user + 1);
    let command = |command, key: Option<String>| {
        vec![Input::Do { command, by: key.map(|key| Requester { actor: "slack".into(), key }) }]
    };
    match step {
        Step::Order { user, channel, order, delivery } => {
            let place =
                [OrderPlace::Channel("C1".into()), OrderPlace::Channel("C2".into()), OrderPlace::Slash];
            let asker = Asker { user: name(*user), is_reminder: false };
            let place = place[*channel].clone();
            let order = Command::Order { team: TEAM.into(), asker, place, order: order.clone() };
            command(order, Some(delivery.to_string()))
        }
        Step::Click { user, poll, choice, ago_ms } => {
            let polls = world.polls();
            let Some((poll, _)) = polls.get(*poll % polls.len().max(1)) else { return Vec::new() };
            let answer = Command::Answer {
                team: TEAM.into(),
                poll: poll.clone(),
                user: name(*user),
                choice: (*choice).into(),
                clicked_at_ms: world.now_ms - ago_ms,
                message: Some(MessageRef { channel: format!("D{user}"), ts: "1".into() }),
            };
            command(answer, None)
        }
        Step::Reply { effect, works } => {
            let waiting = world.waiting();
            if waiting.is_empty() {
                return Vec::new();
            }
            let (effect, ask) = waiting[effect % waiting.len()].clone();
            let failed = Failed { tries: 12, reason: "503".into() };
            let reply = if *works { Ok(world.answer(&effect, &ask)) } else { Err(failed) };
            // A crash of the edge repeats it.
            vec![
                Input::Replied { effect: effect.clone(), reply: reply.clone() },
                Input::Replied { effect, reply },
            ]
        }
        Step::Wait { minutes } => {
            world.now_ms += minutes * MINUTE_MS;
            let due = world.play.timers().filter(|(_, timer)| timer.due_at_ms <= world.now_ms);
            let fire = due.map(|(name, timer)| {
                let (_, short) = decode_key::<String>(name).unwrap();
                let command = serde_json::from_str(&timer.command).unwrap();
                Input::Fire { timer: short, due_at_ms: timer.due_at_ms, command }
            });
            fire.collect()
        }
        Step::Move { user } => {
            let people = world.channels.get_mut("C1").unwrap();
            if !people.remove(&name(*user)) {
                people.insert(name(*user));
            }
            Vec::new()
        }
        Step::Private(private) => {
            let notify_in_channel = Some(!private);
            command(Command::Configure { team: TEAM.into(), notify_in_channel, invoicing: None }, None)
        }
    }
}

/// A workspace with two channels, where every poll is billed.
pub(crate) fn world() -> World {
    let rules = lunch::Rules { free_ms: 0, swaps_max: 200, ..lunch::Rules::default() };
    let mut world = World::with(PEOPLE, rules);
    world.channels.insert("C2".into(), ["U1".into(), "U2".into(), "U3".into()].into());
    world.now_ms += 1;
    world
}

fn table<K: kind::Key, T: DeserializeOwned>(world: &World, name: &str) -> Vec<(K, T)> {
    let rows = world.play.rows().filter(|(id, _)| id.table == name);
    rows.map(|(id, body)| (decode_key(&id.key).unwrap().1, serde_json::from_str(body).unwrap())).collect()
}

/// What must hold at any time.
fn check(world: &World) -> Result<(), TestCaseError> {
    let polls: BTreeMap<String, Poll> = table(world, "poll").into_iter().collect();
    let answers: Vec<((String, String), PollAnswer)> = table(world, "poll_response");
    let groups: Vec<((String, u64), LunchGroup)> = table(world, "group");
    // One open poll a channel, unless it is older than 24 hours.
    let mut open = BTreeSet::new();
    let recent_ms = world.now_ms - world.play.rules().poll_open_ms;
    for poll in polls.values().filter(|it| it.state == PollState::Open && it.created_at_ms > recent_ms) {
        prop_assert!(open.insert(&poll.channel_id), "two open polls in {}", poll.channel_id);
    }
    let mut billed = BTreeSet::new();
    for (id, poll) in &polls {
        let of_poll = || answers.iter().filter(|((it, _), _)| it == id);
        let mut tally = BTreeMap::new();
        of_poll().for_each(|(_, answer)| *tally.entry(answer.response.clone()).or_insert(0) += 1);
        prop_assert_eq!(&poll.tally, &tally);
        // Everybody who said yes is in one group of that time, once the poll is closed; nobody before, nobody else.
        let mut grouped = BTreeMap::new();
        let mut sizes = BTreeMap::<_, Vec<_>>::new();
        for ((it, _), group) in &groups {
            if it == id {
                sizes.entry(group.response.text()).or_default().push(group.user_ids.len());
                for user in &group.user_ids {
                    prop_assert!(grouped.insert(user.clone(), group.response.choice()).is_none());
                }
            }
        }
        let mut yes: BTreeMap<_, _> =
            of_poll().map(|((_, user), answer)| (user.clone(), answer.response.clone())).collect();
        yes.retain(|_, choice| choice != "no" && poll.state == PollState::Closed);
        if poll.tab.is_some() {
            billed.extend(yes.keys().cloned());
        }
        prop_assert_eq!(poll.tab.is_some(), poll.state == PollState::Closed);
        prop_assert_eq!(&grouped, &yes);
        for sizes in sizes.values() {
            let (most, least) = (sizes.iter().max().unwrap(), sizes.iter().min().unwrap());
            prop_assert!(*most <= GROUP_MAX && most - least <= 1 && (*least > 1 || *most == 1), "{sizes:?}");
        }
    }
    prop_assert_eq!(world.play.row::<Tab>(TEAM, &()).unwrap_or_default().people, billed.len() as u64);
    // Nobody is asked twice in a poll, no group told twice.
    let calls: BTreeSet<_> = world.calls.iter().collect();
    prop_assert_eq!(calls.len(), world.calls.len());
    let questions = world.sent.iter().filter_map(|it| match &it.word {
        Word::Question(question) if question.note.is_none() => Some((it.to.clone(), question.poll.clone())),
        _ => None,
    });
    let questions: Vec<_> = questions.collect();
    prop_assert_eq!(questions.iter().collect::<BTreeSet<_>>().len(), questions.len());
    Ok(())
}

/// An errand has an effect that waits: nothing is stuck.
fn check_errands(world: &World) -> Result<(), TestCaseError> {
    let waiting: BTreeSet<_> = world.waiting().into_iter().map(|(id, _)| id.name).collect();
    for (id, _) in table::<String, lunch::Errand>(world, "errand") {
        let waits =
            ["channel", "zone", "people"].iter().any(|look| waiting.contains(&format!("{look} {id}")));
        prop_assert!(waits, "the errand {id} waits for nothing");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn polls_groups_and_tabs_agree_after_every_step(steps in prop::collection::vec(step(), 0..160)) {
        let mut world = world();
        for step in &steps {
            for input in inputs(&mut world, step) {
                prop_assert_eq!(world.play.feed(world.now_ms, &input), Ok(()));
            }
            check(&world)?;
            check_errands(&world)?;
        }
        world.settle();
        check(&world)?;
        prop_assert_eq!(table::<String, lunch::Errand>(&world, "errand").len(), 0);
    }

    #[test]
    fn a_replay_forms_the_same_groups(steps in prop::collection::vec(step(), 0..100)) {
        let (mut world, mut replay) = (world(), world());
        for step in &steps {
            for input in inputs(&mut world, step) {
                let json = serde_json::to_string(&input).unwrap();
                let read = serde_json::from_str::<Input<Lunch>>(&json).unwrap();
                let done: [Result<(), Halt>; 2] =
                    [world.play.feed(world.now_ms, &input), replay.play.feed(world.now_ms, &read)];
                prop_assert_eq!(&done[0], &done[1]);
            }
        }
        let rows = |world: &World| world.play.rows().map(|(id, it)| (id.clone(), it.clone())).collect::<Vec<_>>();
        prop_assert_eq!(rows(&world), rows(&replay));
    }
}
