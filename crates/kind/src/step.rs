//! One entry of the inbox, applied.

use crate::working::{Ask, AskState, OutcomeRow, Working};
use crate::{At, EffectId, Failed, Halt, Input, Kind, Requester, Rows, encode_key};

/// Where an entry stands in its partition's inbox, and when it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// Unix milliseconds.
    pub arrived_at_ms: i64,
    /// The id of the command, unique within the partition.
    pub id: &'p str,
    /// A hash of the envelope's id and the place in it. Never of an id that a client chose.
    pub seed: u64,
}

/// The seed of the entry with this id: FNV-1a with the finalizer of SplitMix64, the same on every machine and in every
/// version.
pub fn seed_of(id: &str) -> u64 {
    let fnv = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Applies one entry.
///
/// # Errors
/// [`Halt`]; then it has changed nothing.
pub fn step<K: Kind>(working: &mut Working<K>, place: Place<'_>, input: &Input<K>) -> Result<(), Halt> {
    let done = apply(working, place, input);
    match done {
        Ok(()) => working.keep(),
        Err(_) => working.undo(),
    }
    done
}

fn apply<K: Kind>(working: &mut Working<K>, place: Place<'_>, input: &Input<K>) -> Result<(), Halt> {
    match input {
        Input::Do { command, by: None } => run(working, place, command).map(drop),
        Input::Do { command, by: Some(by) } => run_once(working, place, command, by),
        Input::Fire { timer, due_at_ms, command } => {
            let name = encode_key(K::route(command), timer);
            // Set anew, cancelled, or fired before: then this one is not due.
            if working.timers.get(&name)?.is_none_or(|set| set.due_at_ms != *due_at_ms) {
                return Ok(());
            }
            working.timers.set(name, None);
            // The clock that stamped the entry may be behind that of the scheduler. A rule that found its time not yet
            // come would wait for a timer that has fired.
            let arrived_at_ms = place.arrived_at_ms.max(*due_at_ms);
            run(working, Place { arrived_at_ms, ..place }, command).map(drop)
        }
        Input::Replied { effect, reply } => replied(working, place, effect, reply),
        Input::Retry { effect } => {
            if let Some(ask) = working.effects.get(effect)?.filter(|ask| ask.state == AskState::Dead).cloned()
            {
                let ask = Ask { due_at_ms: place.arrived_at_ms, state: AskState::Waiting, ..ask };
                working.effects.set(effect.clone(), Some(ask));
            }
            Ok(())
        }
        Input::Rules(rules) => {
            working.state.rules.clone_from(rules);
            Ok(())
        }
        Input::Forget { through_ms } => {
            let state = &mut working.state;
            state.forgotten_through_ms = state.forgotten_through_ms.max(*through_ms);
            Ok(())
        }
    }
}

fn replied<K: Kind>(
    working: &mut Working<K>,
    place: Place<'_>,
    effect: &EffectId,
    reply: &Result<K::Reply, Failed>,
) -> Result<(), Halt> {
    let Some(ask) = working.effects.get(effect)?.cloned() else { return Ok(()) };
    let state = match (ask.state, reply) {
        (AskState::Waiting | AskState::Dead, Ok(_)) => AskState::Done,
        (AskState::Waiting, Err(_)) => AskState::Dead,
        (AskState::Done, _) | (AskState::Dead, Err(_)) => return Ok(()),
    };
    let rules = working.state.rules.clone();
    let at = At { ms: place.arrived_at_ms, id: place.id, seed: place.seed, rules: &rules };
    K::replied(&at, effect, reply, &mut Rows::new(working, &effect.route, place.arrived_at_ms))?;
    working.effects.set(effect.clone(), Some(Ask { state, ..ask }));
    Ok(())
}

fn run<K: Kind>(
    working: &mut Working<K>,
    place: Place<'_>,
    command: &K::Command,
) -> Result<K::Outcome, Halt> {
    let rules = working.state.rules.clone();
    let at = At { ms: place.arrived_at_ms, id: place.id, seed: place.seed, rules: &rules };
    K::apply(&at, command, &mut Rows::new(working, K::route(command), place.arrived_at_ms))
}

/// Applies a command unless one with this id has an outcome that still holds.
fn run_once<K: Kind>(
    working: &mut Working<K>,
    place: Place<'_>,
    command: &K::Command,
    by: &Requester,
) -> Result<(), Halt> {
    let id = by.outcome_id(K::route(command));
    let forgotten = working.state.forgotten_through_ms;
    if working.outcomes.get(&id)?.is_some_and(|outcome| outcome.at_ms > forgotten) {
        return Ok(());
    }
    let outcome = run(working, place, command)?;
    let body = crate::rows::to_json(&outcome);
    // A command that arrived long ago, such as a redriven one, keeps its outcome until the next `Forget`.
    let at_ms = place.arrived_at_ms.max(forgotten.saturating_add(1));
    working.outcomes.set(id, Some(OutcomeRow { at_ms, body }));
    Ok(())
}

impl Requester {
    /// Under which the outcome of a command of this route is kept.
    pub fn outcome_id(&self, route: &str) -> String {
        encode_key(route, &(self.actor.clone(), self.key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Found, Missing, PartitionState, Play, RowId, Table};

    /// Counts; whoever adds nothing is at fault, after everything was changed.
    #[derive(Debug, Clone, PartialEq)]
    struct Counters;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Counter(i64);

    impl Table for Counter {
        type Kind = Counters;
        type Key = String;
        const NAME: &'static str = "counter";
    }

    impl Kind for Counters {
        type Command = (String, i64);
        type Outcome = i64;
        type Effect = i64;
        type Reply = i64;
        type Rules = ();
        const NAME: &'static str = "counters";

        fn route((route, _): &Self::Command) -> &str {
            route
        }

        fn apply(_: &At<'_, Self>, (_, add): &Self::Command, rows: &mut Rows<'_, Self>) -> Result<i64, Halt> {
            let key = "n".to_owned();
            let n = rows.get::<Counter>(&key)?.map_or(0, |n| n.0) + add;
            rows.put(&key, &Counter(n));
            rows.publish("n", &n);
            rows.effect(&n.to_string(), "lane", 0, add);
            rows.timer("t", n, &("a".to_owned(), 1))?;
            if *add == 0 { Err(Halt::Fault("nothing to add".to_owned())) } else { Ok(n) }
        }

        fn replied(
            _: &At<'_, Self>,
            _: &EffectId,
            reply: &Result<i64, Failed>,
            rows: &mut Rows<'_, Self>,
        ) -> Result<(), Halt> {
            rows.put(&"reply".to_owned(), &Counter(reply.clone().unwrap_or(-1)));
            Ok(())
        }
    }

    const PLACE: Place<'static> = Place { arrived_at_ms: 1, id: "e/0", seed: 0 };

    fn add(add: i64) -> Input<Counters> {
        Input::Do { command: ("a".to_owned(), add), by: None }
    }

    fn shows(play: &Play<Counters>) -> String {
        let rows: Vec<_> = play.rows().collect();
        let (timers, effects): (Vec<_>, Vec<_>) = (play.timers().collect(), play.effects().collect());
        format!("{rows:?} {timers:?} {effects:?} {:?}", play.events())
    }

    #[test]
    fn a_fault_undoes_all_that_its_command_changed_and_nothing_else() {
        let mut play = Play::<Counters>::new(());
        play.apply(PLACE, &add(3)).unwrap();
        let before = shows(&play);
        assert_eq!(play.apply(PLACE, &add(0)), Err(Halt::Fault("nothing to add".to_owned())));
        assert_eq!(shows(&play), before);
        play.apply(PLACE, &add(1)).unwrap();
        assert_eq!(play.events().iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn given_up_counts_once_and_an_answer_counts_after_it() {
        let mut play = Play::<Counters>::new(());
        play.apply(PLACE, &add(3)).unwrap();
        let effect = EffectId { route: "a".to_owned(), name: "3".to_owned() };
        let failed = || Err(Failed { tries: 12, reason: "503".to_owned() });
        let reply = |play: &mut Play<Counters>, reply| {
            play.apply(PLACE, &Input::Replied { effect: effect.clone(), reply }).unwrap();
            let seen = play.row::<Counter>("a", &"reply".to_owned()).map(|row| row.0);
            (seen, play.effects().count())
        };
        assert_eq!(reply(&mut play, failed()), (Some(-1), 0));
        play.apply(PLACE, &Input::Retry { effect: effect.clone() }).unwrap();
        assert_eq!(play.effects().next().unwrap().1.due_at_ms, 1);
        assert_eq!(reply(&mut play, Ok(7)), (Some(7), 0));
        assert_eq!(reply(&mut play, Ok(8)), (Some(7), 0));
        assert_eq!(reply(&mut play, failed()), (Some(7), 0));
        play.apply(PLACE, &Input::Retry { effect: effect.clone() }).unwrap();
        assert_eq!(play.effects().count(), 0);
    }

    #[test]
    fn a_play_names_what_its_last_entry_changed() {
        let mut play = Play::<Counters>::new(());
        play.apply(PLACE, &add(5)).unwrap();
        let row = RowId { table: "counter", key: "a/n".to_owned() };
        let effect = EffectId { route: "a".to_owned(), name: "5".to_owned() };
        let touched = crate::Touched {
            rows: vec![row.clone()],
            timers: vec!["a/t".to_owned()],
            effects: vec![effect.clone()],
        };
        assert_eq!(play.touched(), &touched);
        assert_eq!(play.body(&row).unwrap(), "5");
        let state = play.effect(&effect).unwrap().state;
        assert_eq!((play.timer("a/t").unwrap().due_at_ms, state), (5, AskState::Waiting));
        // Removed or done is changed, too.
        let fire = Input::Fire { timer: "t".to_owned(), due_at_ms: 5, command: ("a".to_owned(), 0) };
        assert!(play.apply(PLACE, &fire).is_err());
        assert_eq!(play.touched(), &crate::Touched::default());
        play.apply(PLACE, &Input::Replied { effect: effect.clone(), reply: Ok(1) }).unwrap();
        assert_eq!(play.touched().effects, std::slice::from_ref(&effect));
        assert_eq!(play.effect(&effect).unwrap().state, AskState::Done);
    }

    #[test]
    fn a_timer_never_fires_before_its_time_whatever_the_clock_of_the_entry_says() {
        let mut play = Play::<Counters>::new(());
        play.apply(PLACE, &add(5)).unwrap();
        let fire = |due_at_ms| Input::Fire { timer: "t".to_owned(), due_at_ms, command: ("a".to_owned(), 1) };
        play.apply(Place { arrived_at_ms: 4, ..PLACE }, &fire(5)).unwrap();
        play.apply(Place { arrived_at_ms: 9, ..PLACE }, &fire(6)).unwrap();
        assert_eq!(play.events().iter().map(|event| event.at_ms).collect::<Vec<_>>(), [1, 5, 9]);
    }

    #[test]
    fn a_timer_of_another_route_is_a_fault() {
        let mut play = Play::<Counters>::new(());
        let elsewhere = Input::Do { command: ("b".to_owned(), 1), by: None };
        assert!(matches!(play.apply(PLACE, &elsewhere), Err(Halt::Fault(_))));
        assert_eq!(play.rows().count(), 0);
    }

    #[test]
    fn a_command_whose_row_is_missing_leaves_nothing_and_asks_for_it_once() {
        let state = PartitionState { rules: (), last_event: 7, forgotten_through_ms: 0 };
        let mut working = Working::<Counters>::new(state.clone());
        assert_eq!(step(&mut working, PLACE, &add(1)), Err(Halt::Missing));
        assert_eq!((working.rows_changed().count(), working.state()), (0, &state));
        let row = RowId { table: "counter", key: "a/n".to_owned() };
        assert_eq!(working.take_missing(), Missing { rows: vec![row.clone()], ..Missing::default() });
        working.learn(Found { rows: vec![(row, Some("41".to_owned()))], ..Found::default() });
        step(&mut working, PLACE, &add(1)).unwrap();
        assert!(working.take_missing().is_empty());
        assert_eq!(working.events()[0].number, 8);
        assert_eq!(working.rows_changed().next().unwrap().1.unwrap(), "42");
    }

    #[test]
    fn a_row_that_cannot_be_read_is_a_fault_that_names_it() {
        let state = PartitionState { rules: (), last_event: 0, forgotten_through_ms: 0 };
        let mut working = Working::<Counters>::new(state);
        let row = RowId { table: "counter", key: "a/n".to_owned() };
        working.learn(Found { rows: vec![(row, Some("{".to_owned()))], ..Found::default() });
        let Err(Halt::Fault(reason)) = step(&mut working, PLACE, &add(1)) else { panic!() };
        assert!(reason.starts_with("counter a/n cannot be read"), "{reason}");
    }

    #[test]
    fn a_seed_is_the_same_in_every_version() {
        // By another implementation of both functions.
        assert_eq!(seed_of("0-1/3"), 11_890_932_427_872_245_153);
    }

    #[test]
    fn an_input_keeps_its_form_on_the_wire() {
        let by = Some(Requester { actor: "u".to_owned(), key: "k".to_owned() });
        let command = ("a".to_owned(), 1);
        let json = |input: &Input<Counters>| {
            let json = serde_json::to_string(input).unwrap();
            assert_eq!(&serde_json::from_str::<Input<Counters>>(&json).unwrap(), input);
            json
        };
        let effect = EffectId { route: "a".to_owned(), name: "e".to_owned() };
        let failed = Failed { tries: 2, reason: "503".to_owned() };
        assert_eq!(
            [
                json(&add(1)),
                json(&Input::Do { command: command.clone(), by }),
                json(&Input::Fire { timer: "t".to_owned(), due_at_ms: 5, command }),
                json(&Input::Replied { effect: effect.clone(), reply: Err(failed) }),
                json(&Input::Retry { effect }),
                json(&Input::Rules(())),
                json(&Input::Forget { through_ms: 9 }),
            ],
            [
                r#"{"do":{"command":["a",1]}}"#,
                r#"{"do":{"command":["a",1],"by":{"actor":"u","key":"k"}}}"#,
                r#"{"fire":{"timer":"t","due_at_ms":5,"command":["a",1]}}"#,
                r#"{"replied":{"effect":{"route":"a","name":"e"},"reply":{"Err":{"tries":2,"reason":"503"}}}}"#,
                r#"{"retry":{"effect":{"route":"a","name":"e"}}}"#,
                r#"{"rules":null}"#,
                r#"{"forget":{"through_ms":9}}"#,
            ]
        );
    }
}
