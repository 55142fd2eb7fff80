//! Who hears what.

use rooms::{Author, Command, Event, Member, Outcome, Room, RoomMessage, RoomUser};

use crate::space::{Space, create, delete, join, leave, mark_read, send, send_as};

#[test]
fn members_hear_a_message_once_and_others_nothing() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    for user in ["alice", "bob", "carlos"] {
        space.take(user);
    }
    space.run(send_as("alice", "general", "hi", Some("f1")));
    let heard = space.take("alice");
    let [Event::SendMessage { message, room, sender, n, frame, .. }] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!((message.as_str(), room.as_str(), sender.as_str(), *n), ("hi", "general", "alice", 1));
    assert_eq!(frame.as_deref(), Some("f1"));
    assert_eq!(space.take("bob"), heard);
    assert_eq!(space.take("carlos"), []);
}

#[test]
fn the_joiner_hears_its_own_joining_and_the_very_next_message() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(send("alice", "general", "before"));
    space.take("bob");
    space.run(join("bob", "general"));
    space.run(send("alice", "general", "after"));
    let heard = space.take("bob");
    let joined = Event::UserJoinedRoom { room: "general".into(), user: "bob".into() };
    assert!(matches!(heard.as_slice(), [it, Event::SendMessage { n: 2, .. }] if *it == joined), "{heard:?}");
}

#[test]
fn who_left_hears_that_and_nothing_more() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    space.take("bob");
    space.run(leave("bob", "general"));
    space.run(send("alice", "general", "secret"));
    assert_eq!(space.take("bob"), [Event::UserLeftRoom { room: "general".into(), user: "bob".into() }]);
    space.run(send("bob", "general", "still here?"));
    assert_eq!(space.take_errors("bob"), [404]);
    assert_eq!(space.take_texts("alice"), [("secret".to_owned(), 1)]);
}

#[test]
fn joining_twice_counts_once_and_is_answered_twice() {
    let mut space = Space::new();
    space.run(join("bob", "general"));
    space.run(join("bob", "general"));
    assert_eq!(space.take("bob").len(), 2);
    assert_eq!(space.play.row::<Room>("main", &"general".to_owned()).unwrap().members, 1);
}

#[test]
fn a_first_direct_message_is_heard_by_both_and_both_orders_are_one_room() {
    let mut space = Space::new();
    space.run(send("alice", "bob#alice", "psst"));
    space.run(send("bob", "alice#bob", "yes?"));
    let texts = [("psst".to_owned(), 1), ("yes?".to_owned(), 2)];
    assert_eq!(space.take_texts("alice"), texts);
    assert_eq!(space.take_texts("bob"), texts);
    assert_eq!(space.take("carlos"), []);
}

#[test]
fn a_direct_room_is_closed_to_everybody_else() {
    let mut space = Space::new();
    space.run(send("alice", "alice#bob", "psst"));
    space.take("alice");
    space.run(send("carlos", "alice#bob", "hello?"));
    space.run(mark_read("carlos", "alice#bob", 1));
    space.run(delete(Author::User("carlos".into()), "alice#bob", 1));
    assert_eq!(space.take_errors("carlos"), [404, 404, 404]);
    space.run(join("carlos", "alice#bob"));
    space.run(create("carlos", "x#y"));
    assert_eq!(space.take_errors("carlos"), [400, 400]);
    space.run(leave("alice", "alice#bob"));
    assert_eq!(space.take_errors("alice"), [400]);
    assert_eq!(space.take("bob").len(), 1);
}

#[test]
fn a_direct_message_to_an_unknown_user_is_an_error_and_makes_no_room() {
    let mut space = Space::new();
    space.run(send("alice", "alice#nobody", "psst"));
    space.run(send("alice", "alice#", "psst"));
    assert_eq!(space.take_errors("alice"), [404, 404]);
    assert!(space.play.row::<Room>("main", &"alice#nobody".to_owned()).is_none());
}

#[test]
fn a_user_may_write_to_oneself() {
    let mut space = Space::new();
    space.run(send("alice", "alice#alice", "milk"));
    assert_eq!(space.take_texts("alice"), [("milk".to_owned(), 1)]);
    assert_eq!(space.play.row::<Room>("main", &"alice#alice".to_owned()).unwrap().members, 1);
}

#[test]
fn a_room_that_is_not_there_and_one_that_is_not_theirs_look_the_same() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(send("bob", "general", "x"));
    space.run(send("bob", "nowhere", "x"));
    let heard = space.take("bob");
    let [Event::Error(there), Event::Error(not_there)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(there, not_there);
}

#[test]
fn a_deleted_message_keeps_its_number_and_loses_its_text() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    space.run(send("alice", "general", "oops"));
    space.take("bob");
    space.run(delete(Author::User("bob".into()), "general", 1));
    assert_eq!(space.take_errors("bob"), [404]);
    space.run(delete(Author::User("alice".into()), "general", 1));
    space.run(delete(Author::User("alice".into()), "general", 1));
    assert_eq!(
        space.take("bob"),
        [Event::MessageDeleted { room: "general".into(), n: 1, by: "alice".into() }]
    );
    assert_eq!(space.play.row::<RoomMessage>("main", &("general".to_owned(), 1)).unwrap().text, None);
    space.run(send("alice", "general", "again"));
    assert_eq!(space.run(delete(Author::Operator, "general", 2)), Outcome::Done);
    assert_eq!(space.run(delete(Author::Operator, "general", 3)), Outcome::Denied { code: 404 });
}

#[test]
fn a_read_position_moves_forward_on_all_devices_of_its_user_only() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(join("bob", "general"));
    space.run(send("alice", "general", "1"));
    space.run(send("alice", "general", "2"));
    space.take("alice");
    space.take("bob");
    for n in [1, 1, 9, 0] {
        space.run(mark_read("bob", "general", n));
    }
    let read = |n| Event::MarkRead { room: "general".into(), n };
    assert_eq!(space.take("bob"), [read(1), read(2)]);
    assert_eq!(space.take("alice"), []);
    // The sender has read its own messages.
    assert_eq!(
        space.play.row::<Member>("main", &("general".to_owned(), "alice".to_owned())).unwrap().read_n,
        2
    );
}

#[test]
fn a_barred_user_is_told_and_can_do_nothing_until_unbarred() {
    let mut space = Space::new();
    let kick = |user: &str| Command::Kick { space: "main".into(), user: user.into() };
    space.run(join("alice", "general"));
    space.take("alice");
    assert_eq!(space.run(kick("alice")), Outcome::Done);
    assert_eq!(space.run(kick("nobody")), Outcome::Denied { code: 404 });
    space.run(send("alice", "general", "x"));
    space.run(join("alice", "general"));
    space.run(create("alice", "mine"));
    let heard = space.take("alice");
    assert_eq!(heard[0], Event::Kicked {});
    assert!(
        heard[1..].iter().all(|it| matches!(it, Event::Error(denial) if denial.code == 403)),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 4);
    space.run(Command::Unkick { space: "main".into(), user: "alice".into() });
    space.run(send("alice", "general", "x"));
    assert_eq!(space.take_texts("alice").len(), 1);
}

#[test]
fn a_hook_posts_into_its_room_until_it_is_removed() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    let add = |room: &str| Command::AddHook {
        space: "main".into(),
        id: "h1".into(),
        room: room.into(),
        name: "alarms".into(),
        token_sha256: "00".into(),
    };
    let post = Command::Post { space: "main".into(), hook: "h1".into(), text: "disk".into(), frame: None };
    assert_eq!(space.run(add("nowhere")), Outcome::Denied { code: 404 });
    assert_eq!(space.run(add("general")), Outcome::Done);
    assert_eq!(space.run(add("general")), Outcome::Denied { code: 409 });
    assert_eq!(space.run(post.clone()), Outcome::Done);
    let heard = space.take("alice");
    assert!(matches!(&heard[1], Event::SendMessage { sender, .. } if sender == "alarms"), "{heard:?}");
    space.run(Command::RemoveHook { space: "main".into(), id: "h1".into() });
    assert_eq!(space.run(post), Outcome::Denied { code: 404 });
}

#[test]
fn the_first_connection_makes_the_user() {
    let mut space = Space::new();
    let connect = |handle: Option<&str>| Command::Connect {
        space: "main".into(),
        user: "0123456789é".into(),
        handle: handle.map(str::to_owned),
    };
    space.run(connect(None));
    space.run(connect(Some("Eve")));
    let user = space.play.row::<RoomUser>("main", &"0123456789é".to_owned()).unwrap();
    assert_eq!(user.handle, "56789é");
}

#[test]
fn an_event_has_the_form_of_a_frame() {
    let mut space = Space::new();
    space.run(join("alice", "general"));
    space.run(send_as("alice", "general", "hi", Some("7")));
    space.run(send_as("alice", "general", "", Some("8")));
    let frames: Vec<_> = space.take("alice").iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    assert_eq!(
        frames,
        [
            r#"{"event":"userJoinedRoom","detail":{"room":"general","user":"alice"}}"#,
            concat!(
                r#"{"event":"sendMessage","detail":{"message":"hi","room":"general","sender":"alice","#,
                r#""timestamp":1000006,"n":1,"ref":"7"}}"#
            ),
            concat!(
                r#"{"event":"error","detail":{"code":400,"of":"sendMessage","ref":"8","#,
                r#""message":"a message has 1 to 4000 characters and at most 8192 bytes","temporary":false}}"#
            ),
        ]
    );
}
