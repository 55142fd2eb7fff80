//! Answers, and clicks that come late or twice.

use lunch::{AnswerNote, Command, Outcome, PollAnswer, Question, Rules, Word};

use crate::world::{DAY_MS, START_MS, Sent, TEAM, World};

fn received(choice: &str) -> AnswerNote {
    AnswerNote::Received { choice: choice.into() }
}

fn noted(note: AnswerNote) -> Outcome {
    Outcome::Noted(note)
}

fn stored(world: &World, poll: &str, user: &str) -> Option<(String, i64)> {
    let row = world.play.row::<PollAnswer>(TEAM, &(poll.to_owned(), user.to_owned()));
    row.map(|row| (row.response, row.created_at_ms))
}

fn tally(world: &World) -> Vec<(String, usize)> {
    let (_, poll) = world.polls().pop().unwrap();
    poll.tally.into_iter().collect()
}

/// The line that a rewritten question has.
fn note(sent: &Sent) -> AnswerNote {
    let Word::Question(Question { note: Some(note), .. }) = &sent.word else { panic!("{sent:?}") };
    note.clone()
}

#[test]
fn a_click_rewrites_the_line_of_its_own_message_and_a_second_one_replaces_it() {
    let mut world = World::new(3);
    let poll = world.open("create 1145, 1230");
    for choice in ["yes_1145", "no", "yes_1230"] {
        world.now_ms += 1;
        assert_eq!(world.click("U2", &poll, choice), noted(received(choice)));
        world.settle();
        let sent = world.take_sent();
        let [rewritten] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((rewritten.to.as_str(), rewritten.ts.as_str()), ("DU2", "ts-U2"));
        assert_eq!(note(rewritten), received(choice));
        assert_eq!(tally(&world), [(choice.to_owned(), 1)]);
    }
    assert_eq!(stored(&world, &poll, "U2"), Some(("yes_1230".into(), START_MS + 3)));
}

#[test]
fn the_latest_click_counts_in_whatever_order_clicks_arrive() {
    let mut world = World::new(3);
    let poll = world.open("create 1145, 1230");
    world.now_ms += 10;
    assert_eq!(world.click_at("U2", &poll, "yes_1145", START_MS + 5), noted(received("yes_1145")));
    world.settle();
    world.take_sent();
    // Clicked before, arrived after: nothing changes, and the message is right as it stands.
    assert_eq!(world.click_at("U2", &poll, "no", START_MS + 4), noted(received("yes_1145")));
    world.settle();
    assert_eq!(world.take_sent(), []);
    assert_eq!(stored(&world, &poll, "U2"), Some(("yes_1145".into(), START_MS + 5)));
    assert_eq!(tally(&world), [("yes_1145".to_owned(), 1)]);
    world.click_at("U2", &poll, "no", START_MS + 5);
    assert_eq!(stored(&world, &poll, "U2"), Some(("no".into(), START_MS + 5)));
}

#[test]
fn the_same_choice_again_needs_no_call() {
    let mut world = World::new(3);
    let poll = world.open("create");
    world.click("U2", &poll, "no");
    world.settle();
    world.take_sent();
    world.now_ms += 1;
    world.click("U2", &poll, "no");
    assert_eq!(world.waiting().len(), 0);
    assert_eq!(stored(&world, &poll, "U2"), Some(("no".into(), START_MS + 1)));
}

#[test]
fn a_click_after_the_close_is_told_so_and_changes_nothing() {
    let mut world = World::new(3);
    let poll = world.open("create");
    world.click("U2", &poll, "yes_1200");
    world.say("U1", "C1", "close");
    let rows = |world: &World| format!("{:?}", world.play.rows().collect::<Vec<_>>());
    let before = rows(&world);
    world.take_sent();
    let yes = AnswerNote::Closed { choice: Some("yes_1200".into()) };
    // Clicked before the close, arrived after it.
    assert_eq!(world.click_at("U2", &poll, "no", START_MS), noted(yes.clone()));
    assert_eq!(world.click("U3", &poll, "no"), noted(AnswerNote::Closed { choice: None }));
    world.settle();
    let notes: Vec<_> = world.take_sent().iter().map(note).collect();
    assert_eq!(notes, [yes, AnswerNote::Closed { choice: None }]);
    assert_eq!(rows(&world), before);
}

#[test]
fn answers_count_until_the_close_itself() {
    let mut world = World::new(3);
    let poll = world.open("create");
    world.mention("U1", "C1", "close");
    assert_eq!(world.click("U2", &poll, "yes_1200"), noted(received("yes_1200")));
    assert_eq!(world.click("U3", &poll, "yes_1200"), noted(received("yes_1200")));
    world.settle();
    let sent = world.words();
    let groups =
        sent.iter().filter(|(_, word)| matches!(word, Word::Group { users, .. } if users.len() == 2));
    assert_eq!(groups.count(), 1, "{sent:?}");
}

#[test]
fn a_poll_takes_answers_for_24_hours() {
    let mut world = World::new(3);
    let poll = world.open("create");
    world.wait(DAY_MS - 1);
    assert_eq!(world.click("U2", &poll, "no"), noted(received("no")));
    world.wait(1);
    let closed = AnswerNote::Closed { choice: Some("no".into()) };
    assert_eq!(world.click("U2", &poll, "yes_1200"), noted(closed));
}

#[test]
fn what_is_no_choice_or_no_poll_is_refused() {
    let mut world = World::new(3);
    let poll = world.open("create 1145");
    for choice in ["yes_1200", "yes_", "", "maybe", "No"] {
        let command = Command::Answer {
            team: TEAM.into(),
            poll: poll.clone(),
            user: "U2".into(),
            choice: choice.into(),
            clicked_at_ms: START_MS,
            message: None,
        };
        assert_eq!(world.command(command), noted(AnswerNote::UnknownChoice), "{choice}");
    }
    assert_eq!(stored(&world, &poll, "U2"), None);
    assert_eq!(world.click("U2", "none", "no"), noted(AnswerNote::UnknownPoll));
    assert_eq!(world.waiting().len(), 0);
}

#[test]
fn a_poll_has_no_more_answers_than_people_may_be_asked() {
    let mut world = World::with(2, Rules { people_max: 2, ..Rules::default() });
    let poll = world.open("create");
    world.click("U1", &poll, "no");
    world.click("U2", &poll, "no");
    assert_eq!(world.click("U3", &poll, "no"), noted(AnswerNote::Full));
    assert_eq!(world.click("U2", &poll, "yes_1200"), noted(received("yes_1200")));
    assert_eq!(tally(&world), [("no".to_owned(), 1), ("yes_1200".to_owned(), 1)]);
}

#[test]
fn a_click_in_a_message_of_the_old_app_is_answered_by_its_outcome() {
    let mut world = World::new(3);
    let poll = world.open("create");
    let payload = serde_json::json!({
        "type": "interactive_message", "callback_id": poll, "team": {"id": TEAM}, "user": {"id": "U2"},
        "channel": {"id": "D2"}, "message_ts": "1.2", "action_ts": "1788256800.5", "trigger_id": "t",
        "actions": [{"name": "answer", "type": "button", "value": "yes_1200"}],
    });
    let click = lunch::deliveries::click(&payload).unwrap();
    assert!(click.is_legacy);
    assert_eq!(world.command(click.command), noted(received("yes_1200")));
    assert_eq!(world.waiting().len(), 0);
    assert_eq!(stored(&world, &poll, "U2"), Some(("yes_1200".into(), START_MS + 500)));
}
