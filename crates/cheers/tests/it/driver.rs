//! A partition in memory that knows at each time which timers are set and which effects wait, without a look through all
//! that ever were.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use cheers::{Cheers, Command, Outcome, Reply, Rules};
use kind::{AskState, EffectId, Failed, Halt, Input, Play, Requester, decode_key};

pub(crate) struct Driver {
    play: Play<Cheers>,
    /// By due time and stored name.
    timers: BTreeSet<(i64, String)>,
    due: BTreeMap<String, i64>,
    /// By due time.
    waiting: BTreeSet<(i64, EffectId)>,
    /// What was applied, as it stands in a journal.
    pub(crate) journal: Option<Vec<(i64, String)>>,
    sent: u64,
}

impl Deref for Driver {
    type Target = Play<Cheers>;

    fn deref(&self) -> &Play<Cheers> {
        &self.play
    }
}

impl Driver {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            play: Play::new(rules),
            timers: BTreeSet::new(),
            due: BTreeMap::new(),
            waiting: BTreeSet::new(),
            journal: None,
            sent: 0,
        }
    }

    pub(crate) fn feed(&mut self, now_ms: i64, input: &Input<Cheers>) -> Result<(), Halt> {
        if let Some(journal) = &mut self.journal {
            journal.push((now_ms, serde_json::to_string(input).unwrap()));
        }
        let done = self.play.feed(now_ms, input);
        let touched = self.play.touched();
        for name in &touched.timers {
            if let Some(due_at_ms) = self.due.remove(name) {
                self.timers.remove(&(due_at_ms, name.clone()));
            }
            if let Some(timer) = self.play.timer(name) {
                self.due.insert(name.clone(), timer.due_at_ms);
                self.timers.insert((timer.due_at_ms, name.clone()));
            }
        }
        for id in &touched.effects {
            let ask = self.play.effect(id).unwrap();
            match ask.state {
                AskState::Waiting => self.waiting.insert((ask.due_at_ms, id.clone())),
                AskState::Done | AskState::Dead => self.waiting.remove(&(ask.due_at_ms, id.clone())),
            };
        }
        done
    }

    pub(crate) fn send(&mut self, now_ms: i64, command: Command) -> Result<Outcome, Halt> {
        self.sent += 1;
        let by = Requester { actor: "test".to_owned(), key: self.sent.to_string() };
        let id = by.outcome_id(&command.market);
        self.feed(now_ms, &Input::Do { command, by: Some(by) })?;
        Ok(serde_json::from_str(&self.play.outcome(&id).unwrap().body).unwrap())
    }

    pub(crate) fn reply(
        &mut self,
        now_ms: i64,
        effect: EffectId,
        reply: Result<Reply, Failed>,
    ) -> Result<(), Halt> {
        self.feed(now_ms, &Input::Replied { effect, reply })
    }

    /// The first timer that is set, with its due time.
    pub(crate) fn next_timer(&self) -> Option<(i64, String)> {
        self.timers.first().cloned()
    }

    /// The effects that wait, in order of due time.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &(i64, EffectId)> {
        self.waiting.iter()
    }

    /// The effect that is due first.
    pub(crate) fn next_effect(&self) -> Option<(i64, EffectId)> {
        self.waiting.first().cloned()
    }

    /// Fires a timer that is set, whether or not it is due.
    pub(crate) fn fire(&mut self, now_ms: i64, name: &str) -> Result<(), Halt> {
        let timer = self.play.timer(name).unwrap();
        let (_, short) = decode_key::<String>(name).unwrap();
        let command = serde_json::from_str(&timer.command).unwrap();
        let input = Input::Fire { timer: short, due_at_ms: timer.due_at_ms, command };
        self.feed(now_ms, &input)
    }

    /// Fires the timers that are due, each at its time.
    pub(crate) fn advance(&mut self, now_ms: i64) {
        while let Some((due_at_ms, name)) = self.next_timer().filter(|(due_at_ms, _)| *due_at_ms <= now_ms) {
            self.fire(due_at_ms, &name).unwrap();
        }
    }
}
