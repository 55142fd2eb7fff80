//! What a rule sees of its partition.

use serde::Serialize;

use crate::key::encode_prefix;
use crate::working::{Ask, AskState, EventWhat, RowId, Timer, Working};
use crate::{EffectId, Halt, Key, Kind, Wire, decode_key, encode_key};

/// A table of a kind. Its rows are values of the type that implements this, stored as JSON.
pub trait Table: Wire {
    /// The kind that the table belongs to.
    type Kind: Kind;
    /// What names a row within its route.
    type Key: Key;
    /// The table's name: lower-case ASCII letters and `_`.
    const NAME: &'static str;
}

/// The rows, timers, effects and events of one route, as a rule reads and changes them.
///
/// Changes are visible at once, to this command and to those after it. If the rule halts, all changes of its command are
/// undone.
#[derive(Debug)]
pub struct Rows<'w, K: Kind> {
    working: &'w mut Working<K>,
    route: &'w str,
    at_ms: i64,
}

impl<'w, K: Kind> Rows<'w, K> {
    pub(crate) fn new(working: &'w mut Working<K>, route: &'w str, at_ms: i64) -> Self {
        Self { working, route, at_ms }
    }

    /// The route that all of it belongs to.
    pub fn route(&self) -> &str {
        self.route
    }

    fn id<T: Table<Kind = K>>(&self, key: &T::Key) -> RowId {
        RowId { table: T::NAME, key: encode_key(self.route, key) }
    }

    /// Says that a row will be read. Rows that are wanted before the first `get` are read together.
    pub fn want<T: Table<Kind = K>>(&mut self, key: &T::Key) {
        let id = self.id::<T>(key);
        self.working.rows.want(&id);
    }

    /// Reads a row; `None` if there is none.
    ///
    /// # Errors
    /// [`Halt::Missing`]: it has not been read yet. [`Halt::Fault`]: it is stored in a form that the table does not read.
    pub fn get<T: Table<Kind = K>>(&mut self, key: &T::Key) -> Result<Option<T>, Halt> {
        let id = self.id::<T>(key);
        self.working
            .rows
            .get(&id)?
            .map(|body| from_json(&format!("{} {}", id.table, id.key), body))
            .transpose()
    }

    /// Reads the first rows whose keys begin with these parts, in order of keys; `&()` lists the whole table. At most
    /// `most` of them.
    ///
    /// # Errors
    /// As [`Rows::get`].
    pub fn list<T: Table<Kind = K>>(
        &mut self,
        parts: &impl Key,
        most: usize,
    ) -> Result<Vec<(T::Key, T)>, Halt> {
        let found = self.working.list(T::NAME, &encode_prefix(self.route, parts), most)?;
        let read = |(key, body): &(String, String)| {
            let name = format!("{} {key}", T::NAME);
            let Some((_, parts)) = decode_key(key) else {
                return Err(Halt::Fault(format!("the key of row {name} is of another form")));
            };
            Ok((parts, from_json(&name, body)?))
        };
        found.iter().map(read).collect()
    }

    /// Writes a row.
    pub fn put<T: Table<Kind = K>>(&mut self, key: &T::Key, row: &T) {
        let id = self.id::<T>(key);
        self.working.rows.set(id, Some(to_json(row)));
    }

    /// Removes a row, if there is one.
    pub fn remove<T: Table<Kind = K>>(&mut self, key: &T::Key) {
        let id = self.id::<T>(key);
        self.working.rows.set(id, None);
    }

    /// Sets a timer, instead of the one of that name. When it is due, the command comes through the inbox, after what
    /// arrived in time. `due_at_ms` is in Unix milliseconds.
    ///
    /// # Errors
    /// [`Halt::Fault`]: the command has another route.
    pub fn timer(&mut self, name: &str, due_at_ms: i64, command: &K::Command) -> Result<(), Halt> {
        if K::route(command) != self.route {
            return Err(Halt::Fault(format!("the timer {name} has a command of another route")));
        }
        let timer = Timer { due_at_ms, command: to_json(command) };
        self.working.timers.set(encode_key(self.route, &name.to_owned()), Some(timer));
        Ok(())
    }

    /// Cancels a timer, if it is set.
    pub fn cancel(&mut self, name: &str) {
        self.working.timers.set(encode_key(self.route, &name.to_owned()), None);
    }

    /// Asks for an effect, not before `due_at_ms` (Unix milliseconds). Effects of one lane of the route are performed one
    /// after another. A name is used once: if an effect has it already, that one stands.
    pub fn effect(&mut self, name: &str, lane: &str, due_at_ms: i64, ask: &K::Effect) {
        let id = EffectId { route: self.route.to_owned(), name: name.to_owned() };
        if self.working.effects.peek(&id).is_none() {
            let lane = encode_key(self.route, &lane.to_owned());
            self.working
                .effects
                .set(id, Some(Ask { lane, ask: to_json(ask), due_at_ms, state: AskState::Waiting }));
        }
    }

    /// Tells the followers of a topic.
    pub fn publish(&mut self, topic: &str, event: &impl Serialize) {
        let what = EventWhat::Publish { topic: self.topic(topic), event: to_json(event) };
        self.working.publish(self.at_ms, what);
    }

    /// From here on the actor hears a topic.
    pub fn follow(&mut self, actor: &str, topic: &str) {
        let what = EventWhat::Follow { actor: self.topic(actor), topic: self.topic(topic) };
        self.working.publish(self.at_ms, what);
    }

    /// From here on the actor no longer hears a topic.
    pub fn unfollow(&mut self, actor: &str, topic: &str) {
        let what = EventWhat::Unfollow { actor: self.topic(actor), topic: self.topic(topic) };
        self.working.publish(self.at_ms, what);
    }

    /// A topic or an actor of this route.
    fn topic(&self, name: &str) -> String {
        encode_key(self.route, &name.to_owned())
    }
}

/// A value of a kind as JSON.
///
/// # Panics
/// If the type cannot stand in JSON, such as a map whose keys are no text: a fault of the kind, which its tests meet.
#[expect(clippy::expect_used, reason = "serde_json refuses types, not values")]
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a kind's types can be written as JSON")
}

/// Reads what [`to_json`] wrote.
pub(crate) fn from_json<T: Wire>(name: &str, body: &str) -> Result<T, Halt> {
    serde_json::from_str(body).map_err(|error| Halt::Fault(format!("{name} cannot be read: {error}")))
}
