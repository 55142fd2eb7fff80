//! Groups, and how they hear of themselves.

use std::collections::{BTreeMap, BTreeSet};

use lunch::{
    Command, GROUP_MAX, GROUP_SIZES, LunchGroup, Outcome, PollState, Reply, Rules, Word, group_sizes,
};

use crate::world::{DAY_MS, HOUR_MS, TEAM, World};

fn channel() -> String {
    "C1".to_owned()
}

/// The groups of a poll.
fn groups(world: &World, poll: &str) -> Vec<LunchGroup> {
    let rows = world.play.rows().filter(|(id, _)| id.table == "group");
    let of_poll = rows.filter(|(id, _)| {
        let (_, (it, _)) = kind::decode_key::<(String, u64)>(&id.key).unwrap();
        it == poll
    });
    of_poll.map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
}

fn answer_all(world: &mut World, poll: &str, choices: &[&str]) {
    for (n, user) in world.channels["C1"].clone().into_iter().enumerate() {
        world.click(&user, poll, choices[n % choices.len()]);
    }
    world.settle();
    world.take_sent();
}

#[test]
fn each_way_to_have_nothing_to_close_has_its_own_word() {
    let mut world = World::new(3);
    let to_closer = |word: Word| [("U2".to_owned(), word)];
    world.say("U2", "C1", "close");
    assert_eq!(world.words(), to_closer(Word::NoPoll { channel: channel() }));
    world.open("create");
    world.say("U2", "C1", "close");
    assert_eq!(world.words(), to_closer(Word::NobodyAnswered { channel: channel() }));
    world.say("U2", "C1", "close");
    assert_eq!(world.words(), to_closer(Word::PollWasClosed { channel: channel() }));
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["no"]);
    world.say("U2", "C1", "close");
    assert_eq!(world.words(), to_closer(Word::AllSaidNo { channel: channel() }));
    assert!(world.polls().iter().all(|(_, poll)| poll.state == PollState::Closed));
    world.open("create");
    world.wait(DAY_MS);
    world.say("U2", "C1", "close");
    assert_eq!(world.words(), to_closer(Word::NoPoll { channel: channel() }));
}

#[test]
fn only_members_of_the_channel_close_and_only_its_own_poll() {
    let mut world = World::new(3);
    world.channels.insert("C2".into(), ["U1".into(), "U9".into()].into());
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    world.say("U9", "C2", "close");
    assert_eq!(world.words(), [("U9".into(), Word::NoPoll { channel: "C2".into() })]);
    world.say("U9", "C1", "close");
    assert_eq!(world.words(), [("U9".into(), Word::NotAMember { channel: channel() })]);
    assert_eq!(world.poll("C1"), Some(poll));
}

#[test]
fn everybody_who_said_yes_is_grouped_though_fewer_people_are_allowed_by_now() {
    let mut world = World::new(5);
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    let fewer = Rules { people_max: 2, ..Rules::default() };
    world.play.feed(world.now_ms, &kind::Input::Rules(fewer)).unwrap();
    world.say("U1", "C1", "close");
    assert_eq!(groups(&world, &poll)[0].user_ids.len(), 5);
}

#[test]
fn of_two_closes_at_once_one_forms_groups() {
    let mut world = World::new(4);
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    world.mention("U1", "C1", "close");
    world.mention("U2", "C1", "close");
    world.settle();
    let words = world.words();
    let count = |is: fn(&Word) -> bool| words.iter().filter(|(_, word)| is(word)).count();
    assert_eq!(count(|word| matches!(word, Word::Group { .. })), 1);
    assert_eq!(count(|word| matches!(word, Word::PollWasClosed { .. })), 1);
    assert_eq!(words.len(), 3, "{words:?}");
}

#[test]
fn a_close_that_was_ordered_in_time_closes_its_poll_and_not_the_next() {
    let mut world = World::new(3);
    let first = world.open("create");
    answer_all(&mut world, &first, &["yes_1200"]);
    world.wait(DAY_MS - 1);
    world.mention("U1", "C1", "close");
    let (close, effect) = world.waiting().remove(0);
    world.now_ms += 1;
    world.mention("U2", "C1", "create 1300");
    world.settle_but(&close);
    let second = world.polls().pop().unwrap().0;
    world.take_sent();
    world.perform(&close, &effect);
    world.settle();
    let states: Vec<_> = world.polls().into_iter().map(|(id, poll)| (id, poll.state)).collect();
    assert_eq!(states, [(first, PollState::Closed), (second, PollState::Open)]);
    world.say("U1", "C1", "close");
    let told = world.words();
    assert!(told.contains(&("U1".into(), Word::NobodyAnswered { channel: channel() })), "{told:?}");
}

#[test]
fn groups_have_the_sizes_of_the_table_and_never_mix_times() {
    for people in (1..30).chain([50, 100, 400]) {
        for size in GROUP_SIZES {
            let mut world = World::new(people);
            let poll = world.open(&format!("create 1145, 1230 size={size}"));
            answer_all(&mut world, &poll, &["yes_1145", "yes_1230", "yes_1145", "no"]);
            let mut said = BTreeMap::<_, BTreeSet<_>>::new();
            for (n, user) in world.channels["C1"].iter().enumerate() {
                said.entry(["11:45", "12:30", "11:45", "no"][n % 4]).or_default().insert(user.clone());
            }
            said.remove("no");
            world.say("U1", "C1", "close");
            let mut sizes = BTreeMap::<_, Vec<_>>::new();
            for group in groups(&world, &poll) {
                assert!(group.user_ids.len() <= GROUP_MAX);
                let time = group.response.text();
                sizes.entry(time.clone()).or_default().push(group.user_ids.len());
                for user in &group.user_ids {
                    assert!(said.get_mut(time.as_str()).unwrap().remove(user), "{user} twice, or at no time");
                }
            }
            assert!(said.values().all(BTreeSet::is_empty), "{said:?}");
            let first = people.div_ceil(2);
            assert_eq!(sizes.remove("11:45"), Some(group_sizes(first, size)));
            assert_eq!(sizes.remove("12:30").unwrap_or_default(), group_sizes((people + 2) / 4, size));
        }
    }
}

#[test]
fn a_group_is_told_in_the_channel_and_its_picker_in_the_thread() {
    let mut world = World::new(9);
    let poll = world.open("create 1145 size=4");
    answer_all(&mut world, &poll, &["yes_1145"]);
    world.say("U1", "C1", "close");
    let sent = world.take_sent();
    let mut named = BTreeSet::new();
    for group in groups(&world, &poll) {
        let Some(first) = sent.iter().find(|it| {
            matches!(&it.word, Word::Group { users, time } if *users == group.user_ids && *time == group.response)
        }) else {
            panic!("{sent:?}")
        };
        assert_eq!((first.to.as_str(), &first.thread), ("C1", &None));
        assert!(group.user_ids.iter().all(|user| first.word.text().contains(&format!("<@{user}>"))));
        let thread: Vec<_> = sent.iter().filter(|it| it.thread.as_ref() == Some(&first.ts)).collect();
        let [picker] = thread.as_slice() else { panic!("{thread:?}") };
        let Word::Picker { user } = &picker.word else { panic!("{picker:?}") };
        assert_eq!((picker.to.as_str(), Some(user)), ("C1", group.picker.as_ref()));
        assert_eq!(picker.word.text().matches("<@").count(), 1);
        assert!(group.user_ids.contains(user));
        named.extend(group.user_ids);
    }
    assert_eq!((named.len(), sent.len()), (9, 4));
}

#[test]
fn the_picker_is_drawn_from_the_group() {
    let mut pickers = BTreeSet::new();
    let mut world = World::new(3);
    for _ in 0..40 {
        let poll = world.open("create");
        answer_all(&mut world, &poll, &["yes_1200"]);
        world.say("U1", "C1", "close");
        pickers.extend(groups(&world, &poll).remove(0).picker);
    }
    assert_eq!(pickers.len(), 3);
}

#[test]
fn a_group_in_private_mode_has_a_conversation_of_its_own() {
    let mut world = World::new(3);
    let configure = Command::Configure { team: TEAM.into(), notify_in_channel: Some(false), invoicing: None };
    assert_eq!(world.command(configure), Outcome::Accepted);
    let poll = world.open("create 1145");
    answer_all(&mut world, &poll, &["yes_1145"]);
    world.say("U1", "C1", "close");
    let words = world.words();
    let [(to, word @ Word::PrivateGroup { users, picker, .. })] = words.as_slice() else {
        panic!("{words:?}")
    };
    assert_eq!((to.as_str(), users.len()), ("G-U1-U2-U3", 3));
    assert!(users.contains(picker));
    let text = word.text();
    assert!(text.contains(&format!("<@{picker}> picks")) && text.contains("11:45"), "{text}");
}

#[test]
fn a_group_that_cannot_be_told_in_the_channel_has_a_conversation_of_its_own() {
    let mut world = World::new(3);
    let poll = world.open("create 1145");
    answer_all(&mut world, &poll, &["yes_1145"]);
    world.mention("U1", "C1", "close");
    let (id, effect) = world.waiting().remove(0);
    world.perform(&id, &effect);
    let (id, _) = world.waiting().remove(0);
    let refused = Reply::Refused { error: "not_in_channel".into() };
    world.play.reply(world.now_ms, id, Ok(refused)).unwrap();
    world.settle();
    let words = world.words();
    assert!(matches!(words.as_slice(), [(to, Word::PrivateGroup { .. })] if to == "G-U1-U2-U3"), "{words:?}");
}

#[test]
fn a_group_whose_message_was_given_up_is_told_whole_once_it_is_tried_again() {
    let mut world = World::new(3);
    let poll = world.open("create 1145");
    answer_all(&mut world, &poll, &["yes_1145"]);
    world.mention("U1", "C1", "close");
    let (id, effect) = world.waiting().remove(0);
    world.perform(&id, &effect);
    let (effect, _) = world.waiting().remove(0);
    let failed = kind::Failed { tries: 12, reason: "503".into() };
    world.play.reply(world.now_ms, effect.clone(), Err(failed)).unwrap();
    world.settle();
    assert_eq!(world.words(), []);
    world.play.feed(world.now_ms, &kind::Input::Retry { effect }).unwrap();
    world.settle();
    assert!(matches!(world.words().as_slice(), [(_, Word::Group { .. }), (_, Word::Picker { .. })]));
}

#[test]
fn who_left_the_channel_is_not_named_and_who_is_left_alone_is_told() {
    for (left, private) in [(1, false), (2, false), (3, false), (1, true), (2, true), (3, true)] {
        let mut world = World::new(3);
        let configure =
            Command::Configure { team: TEAM.into(), notify_in_channel: Some(!private), invoicing: None };
        world.command(configure);
        let poll = world.open("create 1145");
        answer_all(&mut world, &poll, &["yes_1145"]);
        let people = world.channels.get_mut("C1").unwrap();
        people.insert("U9".into());
        (1..=left).for_each(|n| assert!(people.remove(&format!("U{n}"))));
        world.say("U9", "C1", "close");
        let words = world.words();
        match (left, words.as_slice()) {
            (1, [(_, Word::PrivateGroup { users, .. })]) if private => assert_eq!(users, &["U2", "U3"]),
            (1, [(_, Word::Group { users, .. }), (_, Word::Picker { user })]) if !private => {
                assert_eq!(users, &["U2", "U3"]);
                assert!(users.contains(user));
            }
            (2, [(to, Word::OthersLeft { .. })]) => assert_eq!(to, "U3"),
            (3, []) => {}
            _ => panic!("{left} left: {words:?}"),
        }
        // They are grouped all the same: everybody who said yes is in one group.
        assert_eq!(groups(&world, &poll)[0].user_ids.len(), 3);
    }
}

#[test]
fn the_only_one_of_a_time_is_told_so() {
    let mut world = World::new(3);
    let poll = world.open("create 1145, 1230");
    world.click("U2", &poll, "yes_1230");
    world.settle();
    world.take_sent();
    world.say("U1", "C1", "close");
    let words = world.words();
    assert!(matches!(words.as_slice(), [(to, Word::NobodyElse { .. })] if to == "U2"), "{words:?}");
}

#[test]
fn the_timer_closes_though_the_creator_left_and_tells_the_creator_of_no_answers() {
    let mut world = World::new(3);
    world.open("create close=1100");
    world.channels.get_mut("C1").unwrap().remove("U1");
    world.wait(HOUR_MS);
    assert_eq!(world.words(), [("U1".into(), Word::NobodyAnswered { channel: channel() })]);
    assert_eq!(world.poll("C1"), None);
}

#[test]
fn a_timer_whose_poll_is_closed_by_hand_meanwhile_says_nothing() {
    let mut world = World::new(3);
    world.open("create close=1100");
    world.now_ms += HOUR_MS;
    world.play.advance(world.now_ms).unwrap();
    let (late, effect) = world.waiting().remove(0);
    world.mention("U2", "C1", "close");
    world.settle_but(&late);
    assert_eq!(world.words(), [("U2".into(), Word::NobodyAnswered { channel: channel() })]);
    world.perform(&late, &effect);
    world.settle();
    assert_eq!(world.words(), []);
}

#[test]
fn a_close_whose_people_are_too_many_drops_nobody() {
    let mut world = World::new(3);
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    world.mention("U1", "C1", "close");
    let (id, _) = world.waiting().remove(0);
    world.play.reply(world.now_ms, id, Ok(Reply::TooManyPeople)).unwrap();
    world.settle();
    assert!(matches!(&world.words()[0].1, Word::Group { users, .. } if users.len() == 3));
}

#[test]
fn a_close_that_slack_does_not_answer_leaves_the_poll_open() {
    let mut world = World::new(3);
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    world.mention("U1", "C1", "close");
    let (id, _) = world.waiting().remove(0);
    let failed = kind::Failed { tries: 12, reason: "503".into() };
    world.play.reply(world.now_ms, id, Err(failed)).unwrap();
    world.settle();
    assert_eq!(world.words(), [("U1".into(), Word::SlackFailed)]);
    assert_eq!(world.poll("C1"), Some(poll));
    world.say("U1", "C1", "close");
    assert_eq!(world.poll("C1"), None);
}

#[test]
fn a_closing_time_that_slack_does_not_answer_is_told_to_the_creator() {
    let mut world = World::new(3);
    let poll = world.open("create close=1100");
    world.now_ms += HOUR_MS;
    world.play.advance(world.now_ms).unwrap();
    let (id, _) = world.waiting().remove(0);
    let failed = kind::Failed { tries: 12, reason: "503".into() };
    world.play.reply(world.now_ms, id, Err(failed)).unwrap();
    world.settle();
    assert_eq!(world.words(), [("U1".into(), Word::CouldNotClose { channel: channel() })]);
    assert_eq!(world.poll("C1"), Some(poll));
}

#[test]
fn everything_delivered_three_times_leads_to_the_same_calls_as_once() {
    let run = |copies| {
        let mut world = World::new(5);
        world.copies = copies;
        world.zones.insert("U1".into(), 120);
        world.say("U1", "C1", "create 1145, 1230 close=1300");
        let poll = world.poll("C1").unwrap();
        for (n, user) in ["U1", "U2", "U3", "U4", "U2"].into_iter().enumerate() {
            world.now_ms += 1;
            world.click(user, &poll, ["yes_1145", "no", "yes_1145"][n % 3]);
        }
        world.settle();
        world.say("U1", "C1", "summary");
        world.wait(HOUR_MS);
        world.say("U3", "C1", "close");
        world.say("U3", "C1", "hello");
        world.say("U3", "C1", "help");
        let mut words: Vec<_> = world.sent.iter().map(|it| (it.to.clone(), it.word.text())).collect();
        words.sort();
        (world.calls.len(), words)
    };
    assert_eq!(run(3), run(1));
}

#[test]
fn in_weekly_polls_of_pairs_nobody_meets_twice() {
    let mut world = World::with(20, Rules { poll_open_ms: HOUR_MS, ..Rules::default() });
    let mut met = BTreeSet::new();
    for _ in 0..10 {
        let poll = world.open("create size=2");
        answer_all(&mut world, &poll, &["yes_1200"]);
        world.say("U1", "C1", "close");
        for group in groups(&world, &poll) {
            assert!(met.insert(group.user_ids.clone()), "{:?} met twice", group.user_ids);
        }
        world.wait(7 * DAY_MS);
    }
    assert_eq!(met.len(), 100);
}

#[test]
fn meetings_are_remembered_across_channels_up_to_their_bound() {
    let mut world = World::with(4, Rules { met_max: 2, ..Rules::default() });
    world.channels.insert("C2".into(), world.channels["C1"].clone());
    for channel in ["C1", "C2"] {
        world.say("U1", channel, "create size=2");
        let poll = world.poll(channel).unwrap();
        answer_all(&mut world, &poll, &["yes_1200"]);
        world.say("U1", channel, "close");
    }
    let pairs: BTreeSet<_> =
        world.polls().iter().flat_map(|(id, _)| groups(&world, id)).map(|group| group.user_ids).collect();
    assert_eq!(pairs.len(), 4, "{pairs:?}");
    world.now_ms += 1;
    let poll = world.open("create");
    answer_all(&mut world, &poll, &["yes_1200"]);
    world.say("U1", "C1", "close");
    let met = world.play.row::<lunch::Met>(TEAM, &"U1".to_owned()).unwrap();
    assert_eq!(met.with.len(), 2);
    assert!(met.with.iter().all(|(_, at_ms)| *at_ms == world.now_ms));
}
