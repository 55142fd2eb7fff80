//! Who is asked, and why not.

use lunch::deliveries::{SlashCommand, SlashDelivery, slash};
use lunch::{Effect, Errand, LunchChannel, MealTime, Outcome, Question, Reply, Rules, Unreadable, Word};

use crate::world::{DAY_MS, HOUR_MS, MINUTE_MS, START_MS, TEAM, World};

fn channel() -> String {
    "C1".to_owned()
}

fn asked(world: &mut World) -> Vec<String> {
    let words = world.words();
    words.into_iter().filter(|(_, word)| matches!(word, Word::Question(_))).map(|(to, _)| to).collect()
}

fn shown(times: &[MealTime]) -> Vec<String> {
    times.iter().map(MealTime::text).collect()
}

/// Nothing is left of an order that was refused.
fn assert_no_trace(world: &World) {
    let rows: Vec<_> = world.play.rows().map(|(id, _)| id.table).filter(|table| *table != "team").collect();
    assert_eq!((rows, world.waiting().len()), (Vec::new(), 0));
}

#[test]
fn everybody_in_the_channel_is_asked_once() {
    let mut world = World::new(5);
    world.say("U2", "C1", "create 1145, 1230 size=4");
    let questions = world.take_sent();
    let to: Vec<_> = questions.iter().map(|it| it.to.as_str()).collect();
    assert_eq!(to, ["U1", "U2", "U3", "U4", "U5"]);
    let Word::Question(question) = &questions[0].word else { panic!("{questions:?}") };
    assert_eq!(shown(&question.times), ["11:45", "12:30"]);
    let (id, poll) = world.polls().remove(0);
    assert_eq!((&question.poll, poll.group_size, poll.asked), (&id, 4, 5));
    assert_eq!((poll.created_by.user.as_str(), poll.created_at_ms), ("U2", START_MS));
    world.settle();
    assert_eq!(world.take_sent(), []);
}

#[test]
fn two_hundred_and_fifty_people_get_one_question_each_in_one_commit() {
    let mut world = World::new(250);
    world.mention("U1", "C1", "create");
    let (id, effect) = world.waiting().remove(0);
    world.perform(&id, &effect);
    assert_eq!(world.waiting().len(), 250);
    world.settle();
    let mut asked = asked(&mut world);
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), 250);
}

#[test]
fn a_second_poll_of_a_channel_is_refused_until_24_hours_later() {
    let mut world = World::new(3);
    world.channels.insert("C2".into(), ["U1".into()].into());
    world.open("create");
    world.wait(DAY_MS - 1);
    world.say("U2", "C1", "create");
    assert_eq!(world.words(), [("U2".into(), Word::PollIsOpen { channel: channel() })]);
    world.say("U1", "C2", "create");
    assert_eq!(asked(&mut world), ["U1"]);
    world.wait(1);
    world.say("U2", "C1", "create");
    assert_eq!(asked(&mut world).len(), 3);
}

#[test]
fn of_two_orders_at_once_one_becomes_a_poll() {
    let mut world = World::new(3);
    world.mention("U1", "C1", "create");
    world.mention("U2", "C1", "create");
    world.settle();
    let words = world.words();
    let refused: Vec<_> = words.iter().filter(|(_, word)| matches!(word, Word::PollIsOpen { .. })).collect();
    assert_eq!((words.len(), world.polls().len()), (4, 1));
    assert_eq!(refused[0].0, "U2");
}

#[test]
fn a_reply_that_comes_after_another_poll_was_opened_opens_none() {
    let mut world = World::new(3);
    world.mention("U1", "C1", "create 1100");
    let (late, _) = world.waiting().remove(0);
    world.now_ms += DAY_MS;
    world.mention("U2", "C1", "create 1200");
    let reply = Reply::people(vec!["U1".into(), "U2".into(), "U3".into()]);
    let other = world.waiting().into_iter().find(|(id, _)| *id != late).unwrap();
    world.perform(&other.0, &other.1);
    world.settle_but(&late);
    world.take_sent();
    world.play.reply(world.now_ms, late, Ok(reply)).unwrap();
    world.settle();
    assert_eq!(world.words(), [("U1".into(), Word::PollIsOpen { channel: channel() })]);
    assert_eq!(world.polls().len(), 1);
    assert!(world.play.row::<LunchChannel>(TEAM, &channel()).is_some());
}

#[test]
fn who_is_outside_of_the_channel_is_told_and_nobody_is_asked() {
    let mut world = World::new(3);
    world.say("U9", "C1", "create");
    assert_eq!(world.words(), [("U9".into(), Word::NotAMember { channel: channel() })]);
    world.say("U1", "C9", "create");
    assert_eq!(world.words(), [("U1".into(), Word::HiddenChannel { channel: "C9".into() })]);
    assert_no_trace(&world);
}

#[test]
fn a_slash_command_means_the_channel_of_that_name() {
    let mut world = World::new(2);
    let SlashDelivery::Queue(create, _) = slash(SlashCommand::Create, TEAM, "U1", "905", "t1") else {
        panic!()
    };
    assert_eq!(world.command(create.clone()), Outcome::Accepted);
    world.settle();
    assert_eq!(asked(&mut world), ["U1", "U2"]);
    let SlashDelivery::Queue(close, _) = slash(SlashCommand::Close, TEAM, "U1", "", "t2") else { panic!() };
    world.command(close.clone());
    world.settle();
    assert_eq!(world.words(), [("U1".into(), Word::NobodyAnswered { channel: channel() })]);
    world.names.clear();
    for command in [create, close] {
        world.command(command);
        world.settle();
        assert_eq!(world.words(), [("U1".into(), Word::NoSuchChannel { name: "lunch_buddies".into() })]);
    }
}

#[test]
fn too_many_people_are_told_so_and_not_asked() {
    let mut world = World::with(4, Rules { people_max: 3, ..Rules::default() });
    let too_many = Word::TooManyPeople { channel: channel(), people_max: 3 };
    world.say("U1", "C1", "create");
    assert_eq!(world.words(), [("U1".into(), too_many.clone())]);
    world.mention("U1", "C1", "create");
    let (id, _) = world.waiting().remove(0);
    world.play.reply(world.now_ms, id, Ok(Reply::TooManyPeople)).unwrap();
    world.settle();
    assert_eq!(world.words(), [("U1".into(), too_many)]);
    assert_no_trace(&world);
}

#[test]
fn a_list_that_the_inbox_cannot_take_is_too_many_people() {
    let ids = |n| (0..n).map(|n| format!("U{n:010}")).collect::<Vec<_>>();
    assert!(matches!(Reply::people(ids(5_000)), Reply::People { .. }));
    assert!(Reply::people(ids(20_000)) == Reply::TooManyPeople);
    let largest =
        (18_700..18_740).rev().map(|n| Reply::people(ids(n))).find(|it| *it != Reply::TooManyPeople);
    let bytes = serde_json::to_string(&largest.unwrap()).unwrap().len();
    assert!((Reply::BYTES_MAX - 100..=Reply::BYTES_MAX).contains(&bytes), "{bytes}");
}

#[test]
fn an_empty_channel_has_no_poll() {
    let mut world = World::new(0);
    let event = serde_json::json!({
        "type": "app_mention", "user": "USLACKBOT", "bot_id": "B1", "channel": "C1",
        "text": "Reminder: <@U0BOT> create.",
    });
    world.deliver(&event);
    world.settle();
    assert_eq!(world.words(), [("C1".into(), Word::NobodyToAsk { channel: channel() })]);
    assert_no_trace(&world);
}

#[test]
fn a_slack_that_does_not_answer_ends_the_order() {
    for words in ["create", "create close=1100", "summary"] {
        let mut world = World::new(3);
        world.mention("U1", "C1", words);
        let (id, _) = world.waiting().remove(0);
        let failed = kind::Failed { tries: 12, reason: "503".into() };
        world.play.reply(world.now_ms, id, Err(failed)).unwrap();
        world.settle();
        assert_eq!(world.words(), [("U1".into(), Word::SlackFailed)], "{words}");
        assert_no_trace(&world);
        world.say("U1", "C1", "create");
        assert_eq!(asked(&mut world).len(), 3);
    }
}

#[test]
fn a_part_that_cannot_be_read_is_told_to_the_asker() {
    let mut world = World::new(3);
    for (words, quoted) in [("create 5", "5"), ("create 1145 Size=9", "Size=9"), ("summary x", "x")] {
        world.say("U2", "C1", words);
        let words = world.words();
        let [(to, Word::Unreadable(Unreadable { part, .. }))] = words.as_slice() else { panic!("{words:?}") };
        assert_eq!((to.as_str(), part.as_str()), ("U2", quoted));
    }
    assert_no_trace(&world);
}

#[test]
fn orders_in_a_direct_message_get_a_hint_and_help_is_given() {
    let mut world = World::new(3);
    let mut direct = |text: &str| {
        let event = serde_json::json!({
            "type": "message", "channel_type": "im", "channel": "D2", "user": "U2", "text": text,
        });
        world.deliver(&event);
        world.settle();
        world.words()
    };
    for text in ["create 1145", "close", "summary"] {
        assert_eq!(direct(text), [("U2".into(), Word::OnlyInChannels)], "{text}");
    }
    assert_eq!(direct("help"), [("U2".into(), Word::Help)]);
    assert_eq!(direct("hello"), []);
    world.say("U3", "C1", "help");
    assert_eq!(world.words(), [("U3".into(), Word::Help)]);
}

#[test]
fn a_poll_closes_by_itself_at_its_time_in_the_zone_of_its_creator() {
    // 10:00 UTC is 15:45 in Kathmandu and 3:00 in Los Angeles.
    for (zone, closes, after_ms) in
        [(345, "1600", 15 * MINUTE_MS), (-420, "400", HOUR_MS), (0, "2359", 839 * MINUTE_MS)]
    {
        let mut world = World::new(3);
        world.zones.insert("U2".into(), zone);
        world.say("U2", "C1", &format!("create 1145 close={closes}"));
        let questions = world.words();
        let Word::Question(Question { closes: Some(time), closes_at_ms: Some(at_ms), .. }) = &questions[0].1
        else {
            panic!("{questions:?}")
        };
        assert_eq!(*at_ms, START_MS + after_ms);
        let text = questions[0].1.text();
        let date = format!("<!date^{}^{{time}}|{}>", at_ms / 1_000, time.text());
        assert!(text.contains(&date), "{text}");
        let poll = world.poll("C1").unwrap();
        world.click("U1", &poll, "yes_1145");
        world.click("U3", &poll, "yes_1145");
        world.wait(after_ms - 1);
        assert!(world.poll("C1").is_some());
        world.take_sent();
        world.wait(1);
        assert!(world.poll("C1").is_none());
        assert!(matches!(world.words()[0].1, Word::Group { .. }));
    }
}

#[test]
fn a_reminder_needs_no_membership_and_has_the_zone_of_who_installed_the_app() {
    let mut world = World::new(3);
    world.zones.insert("U1".into(), 345);
    let remind = |world: &mut World, words: &str| {
        world.deliver(&serde_json::json!({
            "type": "app_mention", "user": "USLACKBOT", "bot_id": "B1", "channel": "C1",
            "text": format!("Reminder: <@U0BOT> {words}."),
        }));
        world.settle();
        world.words()
    };
    assert_eq!(remind(&mut world, "create close=1600").len(), 3);
    let (_, poll) = world.polls().remove(0);
    assert_eq!(poll.closes_at_ms, Some(START_MS + 15 * MINUTE_MS));
    // What a person would read in the direct message stands in the channel.
    assert_eq!(remind(&mut world, "create"), [("C1".into(), Word::PollIsOpen { channel: channel() })]);
    assert_eq!(remind(&mut world, "close"), [("C1".into(), Word::NobodyAnswered { channel: channel() })]);
    let summary = remind(&mut world, "summary");
    let [(to, word)] = summary.as_slice() else { panic!("{summary:?}") };
    assert_eq!(to, "C1");
    assert!(word.text().contains("*2026-09-01 15:45*, started by <@USLACKBOT>"), "{}", word.text());
}

#[test]
fn a_closing_time_that_has_passed_is_refused() {
    let mut world = World::new(3);
    world.zones.insert("U1".into(), 345);
    world.say("U1", "C1", "create close=1545");
    let words = world.words();
    assert!(matches!(words.as_slice(), [(to, Word::CloseTimePassed { .. })] if to == "U1"), "{words:?}");
    assert_no_trace(&world);
    // It passes while the people of the channel are looked up.
    world.mention("U1", "C1", "create close=1546");
    let (id, effect) = world.waiting().remove(0);
    world.perform(&id, &effect);
    let waiting = world.waiting();
    assert!(matches!(waiting.as_slice(), [(_, Effect::ListPeople { .. })]), "{waiting:?}");
    world.now_ms += MINUTE_MS;
    world.settle();
    assert!(matches!(world.words().as_slice(), [(_, Word::CloseTimePassed { .. })]));
    assert_no_trace(&world);
}

#[test]
fn a_close_by_hand_cancels_the_timer() {
    let mut world = World::new(3);
    let poll = world.open("create close=1100");
    world.click("U1", &poll, "no");
    world.say("U2", "C1", "close");
    assert!(world.play.timers().all(|(name, _)| !name.contains("close")));
    world.take_sent();
    world.wait(2 * HOUR_MS);
    assert_eq!(world.words(), []);
}

#[test]
fn an_errand_leaves_nothing_once_it_is_done() {
    let mut world = World::new(3);
    let poll = world.open("create");
    world.click("U1", &poll, "yes_1200");
    world.say("U1", "C1", "summary");
    world.say("U1", "C1", "close");
    assert_eq!(world.play.rows().filter(|(id, _)| id.table == "errand").count(), 0);
    assert_eq!(world.play.row::<Errand>(TEAM, &poll), None);
}
