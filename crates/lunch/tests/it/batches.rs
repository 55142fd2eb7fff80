//! A batch that reads its rows step by step does what a partition in memory does, in few passes.

use std::collections::BTreeMap;

use kind::{
    Ask, AskState, EffectChange, EffectId, Found, FoundRange, Input, Missing, OutcomeRow, PartitionState,
    Place, RowId, Timer, Working, seed_of, step as apply,
};
use lunch::{Lunch, Rules};
use proptest::prelude::*;

use crate::random::{inputs, step as any_step, world};

/// Passes that an entry needs at most: effect, errand, poll, answers, whom the people met, and the one that applies. The
/// engine buries an entry after more than 8.
const PASSES_MAX: usize = 6;

/// A database of one partition.
#[derive(Default)]
struct Database {
    rows: BTreeMap<RowId, String>,
    timers: BTreeMap<String, Timer>,
    outcomes: BTreeMap<String, OutcomeRow>,
    effects: BTreeMap<EffectId, Ask>,
}

fn with<Id: Ord + Clone, V: Clone>(ids: Vec<Id>, stored: &BTreeMap<Id, V>) -> Vec<(Id, Option<V>)> {
    ids.into_iter().map(|id| (id.clone(), stored.get(&id).cloned())).collect()
}

fn put<'c, Id: Ord + Clone + 'c, V: Clone + 'c>(
    stored: &mut BTreeMap<Id, V>,
    changes: impl Iterator<Item = (&'c Id, Option<&'c V>)>,
) {
    for (id, value) in changes {
        match value {
            Some(value) => stored.insert(id.clone(), value.clone()),
            None => stored.remove(id),
        };
    }
}

impl Database {
    fn read(&self, missing: Missing) -> Found {
        let range = |(table, prefix, most): (&'static str, String, usize)| {
            let rows = self.rows.iter().filter(|(id, _)| id.table == table && id.key.starts_with(&prefix));
            let rows = rows.take(most).map(|(id, body)| (id.key.clone(), body.clone())).collect();
            FoundRange { table, prefix, most, rows }
        };
        Found {
            ranges: missing.ranges.into_iter().map(range).collect(),
            rows: with(missing.rows, &self.rows),
            timers: with(missing.timers, &self.timers),
            outcomes: with(missing.outcomes, &self.outcomes),
            effects: with(missing.effects, &self.effects),
        }
    }

    /// Applies one entry. Gives the number of passes.
    fn apply(&mut self, place: Place<'_>, rules: &Rules, input: &Input<Lunch>) -> usize {
        let state = PartitionState { rules: rules.clone(), last_event: 0, forgotten_through_ms: i64::MIN };
        let mut working = Working::<Lunch>::new(state);
        for pass in 1.. {
            working.restart();
            let done = apply(&mut working, place, input);
            let missing = working.take_missing();
            if missing.is_empty() {
                assert_eq!(done, Ok(()));
                put(&mut self.rows, working.rows_changed());
                put(&mut self.timers, working.timers_changed());
                put(&mut self.outcomes, working.outcomes_changed());
                for (id, change) in working.effects_changed() {
                    match change {
                        EffectChange::Add(ask) => {
                            _ = self.effects.entry(id.clone()).or_insert_with(|| ask.clone());
                        }
                        EffectChange::Set(ask) => _ = self.effects.insert(id.clone(), ask.clone()),
                    }
                }
                return pass;
            }
            working.learn(self.read(missing));
        }
        unreachable!("the loop has no end")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_batch_reads_what_it_needs_in_few_passes(steps in prop::collection::vec(any_step(), 0..120)) {
        let mut world = world();
        let mut database = Database {
            rows: world.play.rows().map(|(id, body)| (id.clone(), body.clone())).collect(),
            timers: world.play.timers().map(|(name, timer)| (name.clone(), timer.clone())).collect(),
            ..Database::default()
        };
        let rules = world.play.rules().clone();
        let mut entries = 0;
        for step in &steps {
            for input in inputs(&mut world, step) {
                entries += 1;
                let id = format!("envelope/{entries}");
                let place = Place { arrived_at_ms: world.now_ms, id: &id, seed: seed_of(&id) };
                prop_assert_eq!(world.play.apply(place, &input), Ok(()));
                let passes = database.apply(place, &rules, &input);
                prop_assert!(passes <= PASSES_MAX, "{passes} passes: {input:?}");
            }
        }
        let rows: BTreeMap<_, _> = world.play.rows().map(|(id, body)| (id.clone(), body.clone())).collect();
        prop_assert_eq!(&database.rows, &rows);
        let timers: BTreeMap<_, _> =
            world.play.timers().map(|(name, timer)| (name.clone(), timer.clone())).collect();
        prop_assert_eq!(&database.timers, &timers);
        let waiting: Vec<_> = database.effects.iter().filter(|(_, ask)| ask.state == AskState::Waiting).collect();
        let expected: Vec<_> = world.play.effects().collect();
        prop_assert_eq!(waiting, expected);
    }
}
