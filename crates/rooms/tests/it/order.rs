//! Whatever happens in whatever order: members hear the same messages in the same order, and nobody else hears any.

use std::collections::BTreeMap;

use kind::decode_key;
use proptest::prelude::*;
use rooms::{Author, Command, Event, Membership, Room, RoomsRules};

use crate::space::{Space, create, delete, join, leave, mark_read, send_as};

const USERS: [&str; 3] = ["alice", "bob", "carlos"];
const ROOMS: [&str; 5] = ["general", "other", "alice#bob", "bob#alice", "carlos#carlos"];

fn command() -> impl Strategy<Value = Command> {
    let user = || prop::sample::select(USERS.to_vec());
    let room = || prop::sample::select(ROOMS.to_vec());
    let frame = || proptest::option::of(prop::sample::select(vec!["1", "2", "3"]));
    prop_oneof![
        3 => (user(), room()).prop_map(|(user, room)| join(user, room)),
        1 => (user(), room()).prop_map(|(user, room)| leave(user, room)),
        1 => (user(), room()).prop_map(|(user, room)| create(user, room)),
        8 => (user(), room(), frame()).prop_map(|(user, room, frame)| send_as(user, room, "x", frame)),
        1 => (user(), room(), 0..9_u64).prop_map(|(user, room, n)| mark_read(user, room, n)),
        1 => (user(), room(), 0..9_u64)
            .prop_map(|(user, room, n)| delete(Author::User(user.to_owned()), room, n)),
        1 => user().prop_map(|user| Command::Kick { space: "main".into(), user: user.into() }),
        1 => user().prop_map(|user| Command::Unkick { space: "main".into(), user: user.into() }),
    ]
}

/// The topics that the rows say a user hears.
fn topics(space: &Space, user: &str) -> Vec<String> {
    let rows = space.play.rows().filter(|(id, _)| id.table == <Membership as kind::Table>::NAME);
    let keys = rows.map(|(id, _)| decode_key::<(String, String)>(&id.key).unwrap().1);
    let mut topics: Vec<_> = keys.filter(|(it, _)| it == user).map(|(_, room)| format!("r:{room}")).collect();
    topics.push(format!("u:{user}"));
    topics.sort();
    topics
}

proptest! {
    #[test]
    fn members_hear_the_same_in_the_same_order(commands in prop::collection::vec(command(), 0..120)) {
        let mut space = Space::with(RoomsRules { messages_a_minute: 9, ..RoomsRules::default() });
        // By room: the time of each message. By room and user: the numbers that the user heard in the room.
        let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for command in commands {
            let members: Vec<_> = USERS.map(|user| topics(&space, user)).into();
            space.run(command);
            let mut told: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
            for (user, before) in USERS.iter().zip(&members) {
                let after = topics(&space, user);
                prop_assert_eq!(&after, &space.follows[*user].iter().cloned().collect::<Vec<_>>());
                for event in space.take(user) {
                    let Event::SendMessage { room, sender, n, timestamp, frame, .. } = &event else { continue };
                    let known = times.entry(room.clone()).or_default();
                    if usize::try_from(*n).unwrap() <= known.len() && !told.contains_key(n) {
                        // Answered again, to its sender alone.
                        prop_assert!(sender == user && frame.is_some());
                        prop_assert_eq!(known[usize::try_from(*n - 1).unwrap()], *timestamp);
                        continue;
                    }
                    if !told.contains_key(n) {
                        prop_assert_eq!(*n, known.len() as u64 + 1);
                        prop_assert!(known.last().is_none_or(|last| last < timestamp));
                        known.push(*timestamp);
                    }
                    let topic = format!("r:{room}");
                    prop_assert!(before.contains(&topic) || after.contains(&topic), "{} hears {}", user, room);
                    told.entry(*n).or_default().push(event);
                }
            }
            for (n, heard) in told {
                let Event::SendMessage { room, .. } = &heard[0] else { continue };
                prop_assert!(heard.iter().all(|event| event == &heard[0]), "{:?}", heard);
                let members = space.play.row::<Room>("main", room).unwrap().members;
                prop_assert_eq!(heard.len() as u64, members, "message {} of {}", n, room);
            }
        }
        for (room, times) in times {
            prop_assert_eq!(space.play.row::<Room>("main", &room).unwrap().last_n, times.len() as u64);
        }
    }
}
