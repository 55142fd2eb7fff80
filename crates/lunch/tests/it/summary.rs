//! Summaries of a channel.

use lunch::{Rules, Summary, Word};

use crate::world::{DAY_MS, World};

/// A closed poll in which these people said yes to 11:45.
fn lunch(world: &mut World, channel: &str, creator: &str, users: &[&str]) {
    world.say(creator, channel, "create 1145, 1230");
    let poll = world.poll(channel).unwrap();
    for user in users {
        world.click(user, &poll, "yes_1145");
    }
    world.settle();
    world.say(creator, channel, "close");
    world.take_sent();
}

fn summary(world: &mut World, user: &str, words: &str) -> (Summary, String) {
    world.say(user, "C1", words);
    let sent = world.words();
    let [(to, word @ Word::Summary(summary))] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(to, "C1");
    (summary.clone(), word.text())
}

#[test]
fn a_summary_names_the_closed_polls_of_its_channel_in_the_zone_of_the_asker() {
    let mut world = World::new(4);
    world.channels.insert("C2".into(), ["U1".into(), "U2".into()].into());
    lunch(&mut world, "C1", "U2", &["U1", "U2", "U3"]);
    world.wait(2 * DAY_MS);
    lunch(&mut world, "C2", "U1", &["U1", "U2"]);
    lunch(&mut world, "C1", "U1", &[]);
    world.say("U1", "C1", "create");
    world.take_sent();
    // 10:00 UTC is 18:45 at 525 minutes.
    world.zones.insert("U3".into(), 525);
    let (_, text) = summary(&mut world, "U3", "summary");
    assert_eq!(
        text,
        "Polls of the last 7 days:\n\
         *2026-09-03 18:45*, started by <@U1>: no groups\n\
         *2026-09-01 18:45*, started by <@U2>\n\
         • 11:45: <@U1>, <@U2>, <@U3>"
    );
    world.zones.insert("U3".into(), -601);
    let (_, text) = summary(&mut world, "U3", "summary 2");
    assert!(text.contains("*2026-09-02 23:59*") && text.contains("*2026-08-31 23:59*"), "{text}");
    let (_, text) = summary(&mut world, "U3", "summary 1");
    assert!(text.starts_with("Polls of the last day:\n*2026-09-02") && text.lines().count() == 2, "{text}");
}

#[test]
fn without_closed_polls_there_is_a_sentence() {
    let mut world = World::new(4);
    world.open("create");
    let (summary, text) = summary(&mut world, "U1", "summary 3");
    assert_eq!((summary.polls.len(), summary.is_cut), (0, false));
    assert_eq!(text, "No poll of this channel was closed in the last 3 days.");
}

#[test]
fn a_summary_is_cut_to_its_bounds_from_the_latest_on() {
    let mut world = World::with(4, Rules { summary_polls_max: 2, summary_people_max: 5, ..Rules::default() });
    for day in 0..3 {
        world.now_ms += i64::from(day) * DAY_MS;
        lunch(&mut world, "C1", "U1", &["U1", "U2"]);
    }
    let (cut, text) = summary(&mut world, "U1", "summary");
    assert_eq!((cut.polls.len(), cut.is_cut), (2, true));
    assert!(cut.polls[0].created_at_ms > cut.polls[1].created_at_ms);
    assert!(text.ends_with("fewer days to see them."), "{text}");
    lunch(&mut world, "C1", "U1", &["U1", "U2", "U3", "U4"]);
    let (cut, _) = summary(&mut world, "U1", "summary");
    assert_eq!((cut.polls[0].groups.len(), cut.polls[1].groups.len(), cut.is_cut), (1, 0, true));
}

#[test]
fn the_largest_summary_fits_a_message_of_slack() {
    let rules = Rules::default();
    let user = "U0123456789".to_owned();
    let time = lunch::order_to_create("1145");
    let lunch::Order::Create(options) = time else { panic!() };
    let pair = lunch::SummaryGroup { time: options.times[0].clone(), users: vec![user.clone(); 2] };
    let pairs = rules.summary_people_max / 2 / rules.summary_polls_max;
    let poll = lunch::SummaryPoll { created_by: user, created_at_ms: 0, groups: vec![pair; pairs] };
    let polls = vec![poll; rules.summary_polls_max];
    let summary = Summary { days: 366, utc_offset_minutes: 0, polls, is_cut: true };
    let chars = Word::Summary(summary).text().chars().count();
    // More would be cut off by Slack.
    assert!(chars <= 40_000, "{chars}");
}
