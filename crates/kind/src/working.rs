//! What a batch works on: what it has read of its partition, and what its commands have changed so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::layer::Layer;
use crate::{EffectId, Halt, Kind};

/// The name of a row within its partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// The table: `Table::NAME`.
    pub table: &'static str,
    /// The route and the key, as [`crate::encode_key`] writes them.
    pub key: String,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Unix milliseconds.
    pub due_at_ms: i64,
    /// The command that it applies, as JSON.
    pub command: String,
}

/// The outcome of a command that carried an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// When the command arrived, in Unix milliseconds.
    pub at_ms: i64,
    /// The outcome as JSON.
    pub body: String,
}

/// An effect that is to be performed, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Effects of one lane are performed one after another.
    pub lane: String,
    /// What is asked for, as JSON.
    pub ask: String,
    /// Not performed before, in Unix milliseconds.
    pub due_at_ms: i64,
    pub state: AskState,
}

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskState {
    /// It is performed, or will be.
    Waiting,
    /// Its reply has been applied.
    Done,
    /// It was given up, and the rules were told. An operator may have it tried again.
    Dead,
}

/// How a stored effect changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectChange<'a> {
    /// It is new; if an effect of that name is stored, that one stands.
    Add(&'a Ask),
    /// It is done or dead, or waits again from this time on (`due_at_ms`).
    Set(&'a Ask),
}

/// Something that listeners hear, numbered within its partition without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// 1, 2, 3, …
    pub number: i64,
    /// When the command that led to it arrived, in Unix milliseconds.
    pub at_ms: i64,
    pub what: EventWhat,
}

/// What an event says. Topics and actors stand within a route, as [`crate::encode_key`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventWhat {
    /// Followers of the topic hear this JSON.
    Publish { topic: String, event: String },
    /// The actor hears the topic from here on.
    Follow { actor: String, topic: String },
    /// The actor no longer hears the topic.
    Unfollow { actor: String, topic: String },
}

/// What a partition keeps beside its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionState<R> {
    /// The rules that hold.
    pub rules: R,
    /// The number of the last event; 0 before the first.
    pub last_event: i64,
    /// Outcomes that are not younger than this, in Unix milliseconds, do not hold, whether or not they are deleted yet.
    pub forgotten_through_ms: i64,
}

/// How much of a range has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// All of it.
    Whole,
    /// Up to this key, inclusive.
    Through(String),
}

/// What the commands of a batch asked for and nobody has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    pub rows: Vec<RowId>,
    /// The table, the start of the keys, and how many rows at most.
    pub ranges: Vec<(&'static str, String, usize)>,
    pub timers: Vec<String>,
    pub outcomes: Vec<String>,
    pub effects: Vec<EffectId>,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was read for a [`Missing`]. Each name that was asked for stands here, with `None` where nothing is stored.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub rows: Vec<(RowId, Option<String>)>,
    pub ranges: Vec<FoundRange>,
    pub timers: Vec<(String, Option<Timer>)>,
    pub outcomes: Vec<(String, Option<OutcomeRow>)>,
    pub effects: Vec<(EffectId, Option<Ask>)>,
}

/// The first rows of a range.
#[derive(Debug, Clone)]
pub struct FoundRange {
    pub table: &'static str,
    /// The start of the keys, as it was asked for.
    pub prefix: String,
    /// How many rows were asked for. Fewer `rows` mean that the range has no more.
    pub most: usize,
    /// Keys and bodies, in order of the keys' bytes.
    pub rows: Vec<(String, String)>,
}

/// What a batch works on. A [`crate::Play`] is one that has read everything.
#[derive(Debug, Clone)]
pub struct Working<K: Kind> {
    pub(crate) rows: Layer<RowId, String>,
    pub(crate) timers: Layer<String, Timer>,
    pub(crate) outcomes: Layer<String, OutcomeRow>,
    pub(crate) effects: Layer<EffectId, Ask>,
    pub(crate) events: Vec<Event>,
    pub(crate) state: PartitionState<K::Rules>,
    /// As it was read, for `restart`.
    state_read: PartitionState<K::Rules>,
    /// The state and the number of events before the command that is being applied.
    state_before: (PartitionState<K::Rules>, usize),
    ranges: BTreeMap<(&'static str, String), Reach>,
    ranges_missing: BTreeMap<(&'static str, String), usize>,
    is_whole: bool,
}

impl<K: Kind> Working<K> {
    /// Of a partition of which only this has been read yet.
    pub fn new(state: PartitionState<K::Rules>) -> Self {
        Self::with(state, false)
    }

    /// Of a partition that is known whole, and empty.
    pub(crate) fn whole(rules: K::Rules) -> Self {
        Self::with(PartitionState { rules, last_event: 0, forgotten_through_ms: i64::MIN }, true)
    }

    fn with(state: PartitionState<K::Rules>, is_whole: bool) -> Self {
        Self {
            rows: Layer::new(is_whole),
            timers: Layer::new(is_whole),
            outcomes: Layer::new(is_whole),
            effects: Layer::new(is_whole),
            events: Vec::new(),
            state_read: state.clone(),
            state_before: (state.clone(), 0),
            state,
            ranges: BTreeMap::new(),
            ranges_missing: BTreeMap::new(),
            is_whole,
        }
    }

    /// What must be read before the commands can be applied from the start again. Asks only once for it.
    pub fn take_missing(&mut self) -> Missing {
        let ranges = std::mem::take(&mut self.ranges_missing);
        Missing {
            rows: self.rows.take_missing().into_iter().collect(),
            ranges: ranges.into_iter().map(|((table, prefix), most)| (table, prefix, most)).collect(),
            timers: self.timers.take_missing().into_iter().collect(),
            outcomes: self.outcomes.take_missing().into_iter().collect(),
            effects: self.effects.take_missing().into_iter().collect(),
        }
    }

    /// Takes in what was read.
    pub fn learn(&mut self, found: Found) {
        for (id, body) in found.rows {
            self.rows.learn(id, body);
        }
        for FoundRange { table, prefix, most, rows } in found.ranges {
            let reach = match rows.last() {
                Some((last, _)) if rows.len() >= most => Reach::Through(last.clone()),
                _ => Reach::Whole,
            };
            self.ranges.insert((table, prefix), reach);
            for (key, body) in rows {
                self.rows.learn(RowId { table, key }, Some(body));
            }
        }
        for (name, timer) in found.timers {
            self.timers.learn(name, timer);
        }
        for (id, outcome) in found.outcomes {
            self.outcomes.learn(id, outcome);
        }
        for (id, ask) in found.effects {
            self.effects.learn(id, ask);
        }
    }

    /// The first rows whose keys begin with `prefix`, at most `most`, as they are now.
    pub(crate) fn list(
        &mut self,
        table: &'static str,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<(String, String)>, Halt> {
        let range = (table, prefix.to_owned());
        let reach = if self.is_whole { Some(&Reach::Whole) } else { self.ranges.get(&range) };
        let from = RowId { table, key: prefix.to_owned() };
        // A prefix ends with `/`, and `0` is the byte after it.
        let end = RowId { table, key: format!("{}0", prefix.strip_suffix('/').unwrap_or(prefix)) };
        let known_to = match reach {
            None => from.clone(),
            Some(Reach::Whole) => end.clone(),
            // No key stands between a key and the same with a NUL.
            Some(Reach::Through(last)) => RowId { table, key: format!("{last}\0") },
        };
        let known = self.rows.keys_between(&from, &known_to).take(most);
        let found: Vec<_> =
            known.filter_map(|id| Some((id.key.clone(), self.rows.peek(id)?.clone()))).collect();
        if found.len() == most || reach == Some(&Reach::Whole) {
            return Ok(found);
        }
        // What the batch removed stands among the rows that were read: this many more than then are enough.
        let read = self.rows.count_read(&from, &end);
        let wanted = self.ranges_missing.entry(range).or_default();
        *wanted = (*wanted).max(most + read);
        Err(Halt::Missing)
    }

    /// Keeps what the command has changed.
    pub(crate) fn keep(&mut self) {
        self.rows.keep();
        self.timers.keep();
        self.outcomes.keep();
        self.effects.keep();
        self.state_before = (self.state.clone(), self.events.len());
    }

    /// Undoes what the command has changed.
    pub(crate) fn undo(&mut self) {
        self.rows.undo();
        self.timers.undo();
        self.outcomes.undo();
        self.effects.undo();
        let (state, events) = self.state_before.clone();
        self.state = state;
        self.events.truncate(events);
    }

    /// Forgets what all commands have changed, but not what was read.
    pub fn restart(&mut self) {
        self.rows.restart();
        self.timers.restart();
        self.outcomes.restart();
        self.effects.restart();
        self.events.clear();
        self.state = self.state_read.clone();
        self.state_before = (self.state.clone(), 0);
    }

    /// Takes the changes as read, and gives the events out.
    pub(crate) fn fold(&mut self) -> Vec<Event> {
        self.rows.fold();
        self.timers.fold();
        self.outcomes.fold();
        self.effects.fold();
        self.state_read = self.state.clone();
        self.state_before = (self.state.clone(), 0);
        std::mem::take(&mut self.events)
    }

    /// Adds an event at the end.
    pub(crate) fn publish(&mut self, at_ms: i64, what: EventWhat) {
        self.state.last_event += 1;
        self.events.push(Event { number: self.state.last_event, at_ms, what });
    }

    /// Rows to write (`Some`) and to delete (`None`).
    pub fn rows_changed(&self) -> impl Iterator<Item = (&RowId, Option<&String>)> {
        self.rows.changes()
    }

    /// Timers to set and to delete.
    pub fn timers_changed(&self) -> impl Iterator<Item = (&String, Option<&Timer>)> {
        self.timers.changes()
    }

    /// Outcomes to write.
    pub fn outcomes_changed(&self) -> impl Iterator<Item = (&String, Option<&OutcomeRow>)> {
        self.outcomes.changes()
    }

    /// Effects to add and to change.
    pub fn effects_changed(&self) -> impl Iterator<Item = (&EffectId, EffectChange<'_>)> {
        self.effects.changes().filter_map(|(id, ask)| {
            let is_stored = self.effects.is_read(id);
            ask.map(|ask| (id, if is_stored { EffectChange::Set(ask) } else { EffectChange::Add(ask) }))
        })
    }

    /// The events of the batch, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What the partition keeps beside its rows, after the commands so far.
    pub fn state(&self) -> &PartitionState<K::Rules> {
        &self.state
    }
}
