//! A space in memory, with listeners that hear what its events say.

use std::collections::{BTreeMap, BTreeSet};

use kind::{EventWhat, Play, decode_key};
use rooms::{Author, Command, Event, Outcome, Rooms, RoomsRules};

/// A space and its users' ears.
pub(crate) struct Space {
    pub(crate) play: Play<Rooms>,
    pub(crate) now_ms: i64,
    /// How many events were heard.
    heard: usize,
    /// Topics by user.
    pub(crate) follows: BTreeMap<String, BTreeSet<String>>,
    /// Events by user, since they were last taken.
    ears: BTreeMap<String, Vec<Event>>,
}

impl Space {
    /// Alice, Bob and Carlos, and a room `general` without members.
    pub(crate) fn new() -> Self {
        Self::with(RoomsRules::default())
    }

    pub(crate) fn with(rules: RoomsRules) -> Self {
        let (play, follows, ears) = (Play::new(rules), BTreeMap::new(), BTreeMap::new());
        let mut space = Self { play, now_ms: 1_000_000, heard: 0, follows, ears };
        for user in ["alice", "bob", "carlos"] {
            space.run(Command::Connect { space: "main".into(), user: user.into(), handle: None });
        }
        space.run(Command::OpenRoom { space: "main".into(), room: "general".into() });
        space
    }

    /// Applies a command a millisecond after the last one.
    pub(crate) fn run(&mut self, command: Command) -> Outcome {
        self.now_ms += 1;
        let outcome = self.play.send(self.now_ms, command).unwrap();
        self.listen();
        outcome
    }

    /// Lets time pass, with the timers.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        self.play.advance(self.now_ms).unwrap();
        self.listen();
    }

    fn listen(&mut self) {
        let name = |stored: &str| decode_key::<String>(stored).unwrap().1;
        for event in &self.play.events()[self.heard..] {
            match &event.what {
                EventWhat::Publish { topic, event } => {
                    let topic = name(topic);
                    let event: Event = serde_json::from_str(event).unwrap();
                    for (user, topics) in &self.follows {
                        if topics.contains(&topic) {
                            self.ears.entry(user.clone()).or_default().push(event.clone());
                        }
                    }
                }
                EventWhat::Follow { actor, topic } => {
                    let topics = self.follows.entry(name(actor)).or_default();
                    assert!(topics.insert(name(topic)), "{actor} follows {topic} already");
                }
                EventWhat::Unfollow { actor, topic } => {
                    let topics = self.follows.get_mut(&name(actor)).unwrap();
                    assert!(topics.remove(&name(topic)), "{actor} does not follow {topic}");
                }
            }
        }
        self.heard = self.play.events().len();
    }

    /// What a user has heard since this was last asked.
    pub(crate) fn take(&mut self, user: &str) -> Vec<Event> {
        self.ears.remove(user).unwrap_or_default()
    }

    /// The texts and numbers of the messages among it.
    pub(crate) fn take_texts(&mut self, user: &str) -> Vec<(String, u64)> {
        let text = |event| match event {
            Event::SendMessage { message, n, .. } => Some((message, n)),
            _ => None,
        };
        self.take(user).into_iter().filter_map(text).collect()
    }

    /// The codes of the errors among it.
    pub(crate) fn take_errors(&mut self, user: &str) -> Vec<u16> {
        let code = |event| match event {
            Event::Error(denial) => Some(denial.code),
            _ => None,
        };
        self.take(user).into_iter().filter_map(code).collect()
    }
}

pub(crate) fn join(user: &str, room: &str) -> Command {
    Command::Join { space: "main".into(), user: user.into(), room: room.into(), frame: None }
}

pub(crate) fn leave(user: &str, room: &str) -> Command {
    Command::Leave { space: "main".into(), user: user.into(), room: room.into(), frame: None }
}

pub(crate) fn send(user: &str, room: &str, text: &str) -> Command {
    send_as(user, room, text, None)
}

pub(crate) fn send_as(user: &str, room: &str, text: &str, frame: Option<&str>) -> Command {
    Command::Send {
        space: "main".into(),
        user: user.into(),
        room: room.into(),
        text: text.into(),
        frame: frame.map(str::to_owned),
    }
}

pub(crate) fn create(user: &str, room: &str) -> Command {
    Command::Create { space: "main".into(), user: user.into(), room: room.into(), frame: None }
}

pub(crate) fn mark_read(user: &str, room: &str, n: u64) -> Command {
    Command::MarkRead { space: "main".into(), user: user.into(), room: room.into(), n, frame: None }
}

pub(crate) fn delete(by: Author, room: &str, n: u64) -> Command {
    Command::Delete { space: "main".into(), by, room: room.into(), n, frame: None }
}
