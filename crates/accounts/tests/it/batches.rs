//! A batch that reads its rows step by step does what a partition in memory does.

use std::collections::BTreeMap;

use accounts::{Accounts, BankRules};
use kind::{
    Ask, AskState, EffectChange, EffectId, Event, Found, FoundRange, Halt, Input, Missing, OutcomeRow,
    PartitionState, Place, Play, RowId, Timer, Working, decode_key, seed_of, step,
};
use proptest::prelude::*;

use crate::steps::{input, step as any_step};

/// A database of one partition.
#[derive(Default)]
struct Database {
    rows: BTreeMap<RowId, String>,
    timers: BTreeMap<String, Timer>,
    outcomes: BTreeMap<String, OutcomeRow>,
    effects: BTreeMap<EffectId, Ask>,
    events: Vec<Event>,
    state: Option<PartitionState<BankRules>>,
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
            rows: missing.rows.into_iter().map(|id| (id.clone(), self.rows.get(&id).cloned())).collect(),
            timers: with(missing.timers, &self.timers),
            outcomes: with(missing.outcomes, &self.outcomes),
            effects: with(missing.effects, &self.effects),
        }
    }

    fn write(&mut self, working: &Working<Accounts>) {
        put(&mut self.rows, working.rows_changed());
        put(&mut self.timers, working.timers_changed());
        put(&mut self.outcomes, working.outcomes_changed());
        for (id, change) in working.effects_changed() {
            match change {
                EffectChange::Add(ask) => _ = self.effects.entry(id.clone()).or_insert_with(|| ask.clone()),
                EffectChange::Set(ask) => _ = self.effects.insert(id.clone(), ask.clone()),
            }
        }
        self.events.extend_from_slice(working.events());
        self.state = Some(working.state().clone());
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

/// Applies a batch: again from the start, with what was missing, until nothing is. Says how many times.
fn batch(
    database: &mut Database,
    entries: &[(i64, String, Input<Accounts>)],
) -> (Vec<Result<(), Halt>>, usize) {
    let new = PartitionState { rules: BankRules::default(), last_event: 0, forgotten_through_ms: i64::MIN };
    let mut working = Working::<Accounts>::new(database.state.clone().unwrap_or(new));
    for pass in 1.. {
        working.restart();
        let place = |(arrived_at_ms, id, _): &(i64, String, _)| (*arrived_at_ms, id.clone(), seed_of(id));
        let done: Vec<_> = entries
            .iter()
            .map(|entry| {
                let (arrived_at_ms, id, seed) = place(entry);
                step(&mut working, Place { arrived_at_ms, id: &id, seed }, &entry.2)
            })
            .collect();
        let missing = working.take_missing();
        if missing.is_empty() {
            database.write(&working);
            return (done, pass);
        }
        working.learn(database.read(missing));
    }
    unreachable!("the loop has no end")
}

proptest! {
    #[test]
    fn a_batch_does_what_a_partition_in_memory_does(
        steps in prop::collection::vec(any_step(), 1..80),
        size in 1..20_usize,
    ) {
        let mut play = Play::<Accounts>::new(BankRules::default());
        let mut database = Database::default();
        let steps: Vec<_> = (0_i64..).zip(steps).collect();
        for chunk in steps.chunks(size) {
            let mut entries = Vec::new();
            for (n, it) in chunk {
                let timer = database.timers.iter().next().map(|(name, timer)| {
                    let (_, short) = decode_key::<String>(name).unwrap();
                    (short, timer.due_at_ms, serde_json::from_str(&timer.command).unwrap())
                });
                let effect = database.effects.iter().find(|(_, ask)| ask.state == AskState::Waiting).map(|(id, _)| id.clone());
                let dead = database.effects.iter().find(|(_, ask)| ask.state == AskState::Dead);
                let dead = dead.map(|(id, _)| id.clone());
                let now_ms = n * 10_000;
                if let Some(input) = input(it, now_ms, timer, effect, dead) {
                    entries.push((now_ms, format!("envelope/{n}"), input));
                }
            }
            let expected: Vec<_> = entries
                .iter()
                .map(|(arrived_at_ms, id, input)| {
                    let place = Place { arrived_at_ms: *arrived_at_ms, id, seed: seed_of(id) };
                    play.apply(place, input)
                })
                .collect();
            let (done, _) = batch(&mut database, &entries);
            prop_assert_eq!(done, expected);
        }
        let rows: Vec<_> = play.rows().map(|(id, body)| (id.clone(), body.clone())).collect();
        prop_assert_eq!(database.rows.into_iter().collect::<Vec<_>>(), rows);
        let timers: Vec<_> = play.timers().map(|(name, timer)| (name.clone(), timer.clone())).collect();
        prop_assert_eq!(database.timers.into_iter().collect::<Vec<_>>(), timers);
        let forgotten = database.state.map_or(i64::MIN, |state| state.forgotten_through_ms);
        let kept: Vec<_> = database.outcomes.into_iter().filter(|(_, it)| it.at_ms > forgotten).collect();
        let outcomes: Vec<_> = play.outcomes().map(|(id, it)| (id.clone(), it.clone())).collect();
        prop_assert_eq!(kept, outcomes);
        let waiting: Vec<_> = database.effects.into_iter().filter(|(_, ask)| ask.state == AskState::Waiting).collect();
        let effects: Vec<_> = play.effects().map(|(id, ask)| (id.clone(), ask.clone())).collect();
        prop_assert_eq!(waiting, effects);
        prop_assert_eq!(database.events.as_slice(), play.events());
    }
}

/// A chain of transfers, each of which needs what the one before it brought.
fn chain(length: i64) -> Vec<(i64, String, Input<Accounts>)> {
    let name = |n: i64| format!("a{n}");
    let transfer =
        |n| accounts::Command::Transfer { bank: "b".into(), from: name(n), to: name(n + 1), cents: 5 };
    let entry = |n| (n, format!("e/{n}"), Input::Do { command: transfer(n), by: None });
    (0..length).map(entry).collect()
}

#[test]
fn a_chain_of_commands_is_read_in_few_passes_and_gives_its_money_on() {
    let mut database = Database::default();
    let open = |n: i64| {
        let command = accounts::Command::Open {
            bank: "b".into(),
            account: format!("a{n}"),
            cents: if n == 0 { 5 } else { 0 },
            forward_to: None,
        };
        (0, format!("o/{n}"), Input::Do { command, by: None })
    };
    batch(&mut database, &(0..=100).map(open).collect::<Vec<_>>());
    let (done, passes) = batch(&mut database, &chain(100));
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(passes, 2);
    let account = |n: i64| -> accounts::Account {
        let id = RowId { table: "account", key: format!("b/a{n}") };
        serde_json::from_str(&database.rows[&id]).unwrap()
    };
    assert_eq!((account(0).cents, account(100).cents), (0, 5));
}

#[test]
fn forwards_are_followed_in_as_many_passes_as_there_are_steps() {
    let mut database = Database::default();
    let open = |n: i64, forward_to: Option<String>| {
        let command =
            accounts::Command::Open { bank: "b".into(), account: format!("a{n}"), cents: 9, forward_to };
        (0, format!("o/{n}"), Input::Do { command, by: None })
    };
    let mut opened: Vec<_> = (1..4).map(|n| open(n, Some(format!("a{}", n + 1)))).collect();
    opened.extend([open(0, None), open(4, None)]);
    batch(&mut database, &opened);
    let (done, passes) = batch(&mut database, &chain(1));
    // One pass that asks for giver and taker, one for each further account of the chain, and the one that applies.
    assert_eq!((done, passes), (vec![Ok(())], 5));
}
