//! Bounds, the limit of messages a minute, repeated frames, and how long messages are kept.

use rooms::{Event, Room, RoomMessage, RoomsRules};

use crate::space::{Space, create, join, send, send_as};

fn messages(space: &Space, room: &str) -> Vec<u64> {
    let last = space.play.row::<Room>("main", &room.to_owned()).map_or(0, |room| room.last_n);
    (1..=last).filter(|n| space.play.row::<RoomMessage>("main", &(room.to_owned(), *n)).is_some()).collect()
}

#[test]
fn sixty_messages_a_minute_and_the_next_minute_works() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    let first_ms = space.now_ms + 1;
    for n in 0..61 {
        space.run(send("alice", "general", &n.to_string()));
    }
    let heard = space.take("alice");
    assert_eq!(heard.len(), 62);
    let Some(Event::Error(denial)) = heard.last() else { panic!("{heard:?}") };
    let wait_ms = first_ms + 60_000 - space.now_ms;
    assert_eq!((denial.code, denial.temporary, denial.retry_after_ms), (429, true, Some(wait_ms)));
    space.wait(wait_ms - 2); // a command comes a millisecond later
    space.run(send("alice", "general", "too soon"));
    assert_eq!(space.take_errors("alice"), [429]);
    space.run(send("alice", "general", "in time"));
    assert_eq!(space.take_texts("alice"), [("in time".to_owned(), 61)]);
}

#[test]
fn the_limit_is_of_each_user() {
    let mut space = Space::with(RoomsRules { messages_a_minute: 1, ..RoomsRules::default() });
    for user in ["alice", "bob"] {
        space.run(join(user, "general"));
        space.run(send(user, "general", "x"));
        space.run(send(user, "general", "y"));
        assert_eq!(space.take_errors(user), [429], "{user}");
    }
}

#[test]
fn a_repeated_frame_counts_once_and_is_answered_with_the_first_number() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    space.run(send_as("alice", "general", "once", Some("f")));
    let first = space.take("alice").pop().unwrap();
    space.take("bob");
    space.run(send_as("alice", "general", "once", Some("f")));
    assert_eq!(space.take("alice"), [first]);
    assert_eq!(space.take("bob"), []);
    // Another user's reference is another one.
    space.run(send_as("bob", "general", "mine", Some("f")));
    assert_eq!(space.take_texts("bob"), [("mine".to_owned(), 2)]);
}

#[test]
fn the_last_64_references_are_remembered() {
    let mut space = Space::with(RoomsRules { messages_a_minute: 1_000, ..RoomsRules::default() });
    space.run(join("alice", "general"));
    for n in 0..=64 {
        space.run(send_as("alice", "general", "x", Some(&n.to_string())));
    }
    space.take("alice");
    space.run(send_as("alice", "general", "x", Some("1")));
    assert_eq!(space.take_texts("alice"), [("x".to_owned(), 2)]);
    space.run(send_as("alice", "general", "x", Some("0")));
    assert_eq!(space.take_texts("alice"), [("x".to_owned(), 66)]);
    assert_eq!(space.play.rows().filter(|(id, _)| id.table == "sent_frame").count(), 64);
}

#[test]
fn texts_and_ids_are_bounded() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.take("alice");
    let long = "é".repeat(4_000);
    for (text, code) in [
        (long.as_str(), None),
        (&format!("{long}x"), Some(400)),
        (&"€".repeat(3_000), Some(400)), // 9 000 bytes
        ("", Some(400)),
        ("a\tb\nc", None),
        ("a\u{7}b", Some(400)),
    ] {
        space.run(send("alice", "general", text));
        let errors = space.take_errors("alice");
        assert_eq!(errors, Vec::from_iter(code), "{} characters", text.chars().count());
    }
    for (room, code) in [("é".repeat(64), None), ("x".repeat(65), Some(400)), (String::new(), Some(400))] {
        space.run(create("alice", &room));
        assert_eq!(space.take_errors("alice"), Vec::from_iter(code), "{room}");
    }
    space.run(create("alice", "general"));
    assert_eq!(space.take_errors("alice"), [409]);
}

#[test]
fn rooms_have_so_many_members_and_users_so_many_rooms() {
    let rules = RoomsRules { members_max: 1, rooms_max: 2, ..RoomsRules::default() };
    let mut space = Space::with(rules);
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    assert_eq!(space.take_errors("bob"), [409]);
    space.run(create("alice", "a"));
    space.run(create("alice", "b"));
    assert_eq!(space.take_errors("alice"), [409]);
    // Who is written to has no say, so only what somebody begins is counted.
    space.run(send("alice", "alice#bob", "1"));
    space.run(send("alice", "alice#carlos", "2"));
    space.run(send("alice", "alice#alice", "3"));
    assert_eq!(space.take_errors("alice"), [409]);
    space.run(send("bob", "bob#carlos", "4"));
    assert_eq!(space.take_errors("bob"), [0; 0]);
}

#[test]
fn messages_expire_in_bounded_steps_and_numbers_go_on() {
    let mut space =
        Space::with(RoomsRules { keep_ms: 10_000, messages_a_minute: 1_000, ..RoomsRules::default() });
    space.run(join("alice", "general"));
    for n in 0..250 {
        space.run(send("alice", "general", &n.to_string()));
    }
    space.wait(5_000);
    space.run(send("alice", "general", "young"));
    assert_eq!(messages(&space, "general").len(), 251);
    space.wait(5_000);
    assert_eq!(messages(&space, "general"), [251]);
    assert_eq!(space.play.timers().count(), 1);
    space.wait(5_001);
    assert_eq!(messages(&space, "general"), [0; 0]);
    assert_eq!(space.play.timers().count(), 0);
    space.run(send("alice", "general", "new"));
    space.wait(9_999);
    assert_eq!(messages(&space, "general"), [252]);
    space.wait(1);
    assert_eq!(messages(&space, "general"), [0; 0]);
}

#[test]
fn two_messages_in_one_millisecond_have_two_times() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.take("alice");
    for _ in 0..3 {
        space.now_ms -= 1;
        space.run(send("alice", "general", "x"));
    }
    let time = |event: Event| match event {
        Event::SendMessage { timestamp, .. } => timestamp,
        other => panic!("{other:?}"),
    };
    let times: Vec<_> = space.take("alice").into_iter().map(time).collect();
    assert_eq!(times, [space.now_ms, space.now_ms + 1, space.now_ms + 2]);
}
