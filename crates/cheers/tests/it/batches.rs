//! A batch that reads its rows step by step does what a partition in memory does, in few steps.

use std::collections::BTreeMap;

use cheers::{Cheers, Rules};
use kind::{
    Ask, AskState, EffectChange, EffectId, Found, Input, Missing, OutcomeRow, PartitionState, Place, RowId,
    Timer, Working, seed_of, step,
};

use crate::model::market_of_ten;

/// How often a command may begin again to read its rows, and be applied: the engine takes one for a fault after eight
/// reads.
const PASSES_MAX: usize = 5;

/// A database of one partition.
#[derive(Default)]
struct Database {
    rows: BTreeMap<RowId, String>,
    timers: BTreeMap<String, Timer>,
    outcomes: BTreeMap<String, OutcomeRow>,
    effects: BTreeMap<EffectId, Ask>,
}

impl Database {
    fn read(&self, missing: Missing) -> Found {
        assert!(missing.ranges.is_empty(), "no rule lists rows");
        Found {
            rows: with(missing.rows, &self.rows),
            ranges: Vec::new(),
            timers: with(missing.timers, &self.timers),
            outcomes: with(missing.outcomes, &self.outcomes),
            effects: with(missing.effects, &self.effects),
        }
    }

    fn write(&mut self, working: &Working<Cheers>) {
        put(&mut self.rows, working.rows_changed());
        put(&mut self.timers, working.timers_changed());
        put(&mut self.outcomes, working.outcomes_changed());
        for (id, change) in working.effects_changed() {
            match change {
                EffectChange::Add(ask) => _ = self.effects.entry(id.clone()).or_insert_with(|| ask.clone()),
                EffectChange::Set(ask) => _ = self.effects.insert(id.clone(), ask.clone()),
            }
        }
    }
}

fn with<Id: Ord + Clone, Value: Clone>(
    ids: Vec<Id>,
    stored: &BTreeMap<Id, Value>,
) -> Vec<(Id, Option<Value>)> {
    ids.into_iter().map(|id| (id.clone(), stored.get(&id).cloned())).collect()
}

fn put<'c, Id: Ord + Clone + 'c, Value: Clone + 'c>(
    stored: &mut BTreeMap<Id, Value>,
    changes: impl Iterator<Item = (&'c Id, Option<&'c Value>)>,
) {
    for (id, value) in changes {
        match value {
            Some(value) => stored.insert(id.clone(), value.clone()),
            None => stored.remove(id),
        };
    }
}

/// Applies a batch: again from the start, with what was missing, until nothing is. Gives the passes and the events.
fn apply(
    database: &mut Database,
    state: &mut PartitionState<Rules>,
    entries: &[(u64, i64, Input<Cheers>)],
) -> (usize, Vec<kind::Event>) {
    let mut working = Working::<Cheers>::new(state.clone());
    for pass in 1.. {
        working.restart();
        for (number, arrived_at_ms, input) in entries {
            let id = number.to_string();
            let place = Place { arrived_at_ms: *arrived_at_ms, id: &id, seed: seed_of(&id) };
            // A fault leaves nothing; a missing row is read.
            let _ = step(&mut working, place, input);
        }
        let missing = working.take_missing();
        if missing.is_empty() {
            database.write(&working);
            state.clone_from(working.state());
            return (pass, working.events().to_vec());
        }
        working.learn(database.read(missing));
    }
    unreachable!("the loop has no end")
}

#[test]
fn batches_that_read_row_by_row_do_what_a_partition_in_memory_does() {
    let (model, rules) = market_of_ten();
    let journal = model.accounts.iter().chain(model.driver.journal.iter().flatten());
    let entries: Vec<(u64, i64, Input<Cheers>)> = (1..)
        .zip(journal)
        .map(|(n, (at_ms, json))| (n, *at_ms, serde_json::from_str(json).unwrap()))
        .collect();
    for size in [1, 17] {
        let mut database = Database::default();
        let mut state =
            PartitionState { rules: rules.clone(), last_event: 0, forgotten_through_ms: i64::MIN };
        let mut events = Vec::new();
        for batch in entries.chunks(size) {
            let (passes, more) = apply(&mut database, &mut state, batch);
            assert!(size > 1 || passes <= PASSES_MAX, "{passes} {batch:?}");
            events.extend(more);
        }
        assert!(database.rows.iter().eq(model.driver.rows()));
        assert!(database.timers.iter().eq(model.driver.timers()));
        assert!(database.outcomes.iter().eq(model.driver.outcomes()));
        let waiting = database.effects.iter().filter(|(_, ask)| ask.state == AskState::Waiting);
        assert!(waiting.eq(model.driver.effects()));
        assert_eq!(events, model.driver.events());
    }
}
