//! A kind in memory, with everything known: for tests of its rules, and to compare a database with its journal.

use crate::rows::from_json;
use crate::step::{Place, seed_of, step};
use crate::working::{Ask, AskState, Event, OutcomeRow, RowId, Timer, Working};
use crate::{EffectId, Failed, Halt, Input, Kind, Requester, Table, decode_key, encode_key};

/// One partition of a kind in memory.
#[derive(Debug, Clone)]
pub struct Play<K: Kind> {
    working: Working<K>,
    /// Everything that was published so far.
    events: Vec<Event>,
    /// How many entries were applied: the id of the next one.
    entries: u64,
    touched: Touched,
}

/// What one entry changed, by name. A test that follows it need not look through everything after each entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub rows: Vec<RowId>,
    pub timers: Vec<String>,
    pub effects: Vec<EffectId>,
}

impl<K: Kind> Play<K> {
    /// An empty partition under these rules.
    pub fn new(rules: K::Rules) -> Self {
        Self { working: Working::whole(rules), events: Vec::new(), entries: 0, touched: Touched::default() }
    }

    /// Applies one entry of an inbox or a journal, where it stands.
    ///
    /// # Errors
    /// [`Halt::Fault`]: the entry is to be buried; it has changed nothing.
    pub fn apply(&mut self, place: Place<'_>, input: &Input<K>) -> Result<(), Halt> {
        let done = step(&mut self.working, place, input);
        self.touched = Touched {
            rows: self.working.rows_changed().map(|(id, _)| id.clone()).collect(),
            timers: self.working.timers_changed().map(|(name, _)| name.clone()).collect(),
            effects: self.working.effects_changed().map(|(id, _)| id.clone()).collect(),
        };
        self.events.extend(self.working.fold());
        done
    }

    /// Applies an entry that arrived now. Its seed is a hash of how many came before it.
    ///
    /// # Errors
    /// As [`Play::apply`].
    pub fn feed(&mut self, now_ms: i64, input: &Input<K>) -> Result<(), Halt> {
        self.entries += 1;
        let id = self.entries.to_string();
        self.apply(Place { arrived_at_ms: now_ms, id: &id, seed: seed_of(&id) }, input)
    }

    /// Sends a command and gives its outcome.
    ///
    /// # Errors
    /// As [`Play::apply`].
    pub fn send(&mut self, now_ms: i64, command: K::Command) -> Result<K::Outcome, Halt> {
        let by = Requester { actor: "play".to_owned(), key: self.entries.to_string() };
        let id = by.outcome_id(K::route(&command));
        self.feed(now_ms, &Input::Do { command, by: Some(by) })?;
        let outcome = self.outcome(&id).ok_or_else(|| Halt::Fault("the outcome was not kept".to_owned()))?;
        from_json("the outcome", &outcome.body)
    }

    /// Gives the reply to an effect.
    ///
    /// # Errors
    /// As [`Play::apply`].
    pub fn reply(
        &mut self,
        now_ms: i64,
        effect: EffectId,
        reply: Result<K::Reply, Failed>,
    ) -> Result<(), Halt> {
        self.feed(now_ms, &Input::Replied { effect, reply })
    }

    /// Fires the timers that are due until `now_ms`, each at its time, in order of time and name; also those that are set
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Play::apply`].
    pub fn advance(&mut self, now_ms: i64) -> Result<(), Halt> {
        while let Some((due_at_ms, name)) = self.next_due(now_ms) {
            let Some(timer) = self.working.timers.peek(&name) else { break };
            let command = from_json(&name, &timer.command)?;
            let Some((_, timer)) = decode_key(&name) else {
                return Err(Halt::Fault(format!("the timer {name} has no name")));
            };
            self.feed(due_at_ms, &Input::Fire { timer, due_at_ms, command })?;
        }
        Ok(())
    }

    fn next_due(&self, now_ms: i64) -> Option<(i64, String)> {
        let due = self.timers().filter(|(_, timer)| timer.due_at_ms <= now_ms);
        due.map(|(name, timer)| (timer.due_at_ms, name.clone())).min()
    }

    /// What the last entry changed.
    pub fn touched(&self) -> &Touched {
        &self.touched
    }

    /// The body of a row, as JSON.
    pub fn body(&self, id: &RowId) -> Option<&String> {
        self.working.rows.peek(id)
    }

    /// A timer that is set, by its name as [`Play::timers`] gives it.
    pub fn timer(&self, name: &str) -> Option<&Timer> {
        self.working.timers.peek(&name.to_owned())
    }

    /// An effect, whether or not its reply has come.
    pub fn effect(&self, id: &EffectId) -> Option<&Ask> {
        self.working.effects.peek(id)
    }

    /// One row.
    pub fn row<T: Table<Kind = K>>(&self, route: &str, key: &T::Key) -> Option<T> {
        let id = RowId { table: T::NAME, key: encode_key(route, key) };
        serde_json::from_str(self.working.rows.peek(&id)?).ok()
    }

    /// All rows with their bodies as JSON, in order of tables and keys.
    pub fn rows(&self) -> impl Iterator<Item = (&RowId, &String)> {
        self.working.rows.all()
    }

    /// All timers that are set, by name.
    pub fn timers(&self) -> impl Iterator<Item = (&String, &Timer)> {
        self.working.timers.all()
    }

    /// All outcomes that are kept, by id.
    pub fn outcomes(&self) -> impl Iterator<Item = (&String, &OutcomeRow)> {
        let forgotten = self.working.state.forgotten_through_ms;
        self.working.outcomes.all().filter(move |(_, outcome)| outcome.at_ms > forgotten)
    }

    /// One outcome that is kept.
    pub fn outcome(&self, id: &str) -> Option<&OutcomeRow> {
        let outcome = self.working.outcomes.peek(&id.to_owned())?;
        (outcome.at_ms > self.working.state.forgotten_through_ms).then_some(outcome)
    }

    /// The effects that wait for a reply, by name.
    pub fn effects(&self) -> impl Iterator<Item = (&EffectId, &Ask)> {
        self.working.effects.all().filter(|(_, ask)| ask.state == AskState::Waiting)
    }

    /// Everything that was published, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The rules that hold.
    pub fn rules(&self) -> &K::Rules {
        &self.working.state.rules
    }
}
