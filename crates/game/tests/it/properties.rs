//! Properties that hold for every sequence of commands: rules, "Order and repetition", and agreement with `model`.

mod sequences;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use game::bounds::SCORE_MAX;
use game::{
    Action, Device, Fault, LastPress, Outcome, Player, PowerupKind, PressOutcome, PurchaseId,
    PurchaseOutcome, Rounds, Stamps, Standing, Token, Username, World,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::model::Model;
use crate::support::{add, user};
use sequences::{NAMES, Step, out_of_order, score_at_start, timely, timely_or_late};

fn config() -> Config {
    Config { cases: 512, failure_persistence: None, ..Config::default() }
}

/// Applies a step. A new player gets points, so that purchases succeed early.
fn play(world: &mut World, step: &Step) -> Result<Outcome, Fault> {
    let outcome = world.apply(step.stamps(), &step.action);
    if let (Ok(Outcome::Added { new: true }), Some(name)) = (outcome, step.action.username()) {
        world.players.get_mut(name).unwrap().score = score_at_start(name);
    }
    outcome
}

fn play_all(steps: &[Step]) -> (World, Vec<Result<Outcome, Fault>>) {
    let mut world = World::default();
    let outcomes = steps.iter().map(|step| play(&mut world, step)).collect();
    (world, outcomes)
}

fn without_changes(world: &World) -> World {
    let mut world = world.clone();
    world.take_changes();
    world
}

/// Exactly what the store keeps.
#[derive(Default)]
struct Store {
    rounds: Rounds,
    applied_through_ms: i64,
    players: HashMap<Username, Player>,
    purchases: HashMap<(Username, PurchaseId), PurchaseOutcome>,
    devices: BTreeMap<Token, Device>,
}

impl Store {
    /// Loads what the batch needs, applies the batch, and writes the changes.
    fn batch(&mut self, steps: &[Step]) -> Vec<Result<Outcome, Fault>> {
        let mut world = World {
            rounds: Arc::new(self.rounds.clone()),
            applied_through_ms: self.applied_through_ms,
            ..World::default()
        };
        for step in steps {
            let Some(name) = step.action.username() else { continue };
            if let Some(player) = self.players.get(name) {
                world.players.insert(name.clone(), player.clone());
            }
            if let Action::Buy { id, .. } = &step.action {
                let key = (name.clone(), id.clone());
                if let Some(outcome) = self.purchases.get(&key) {
                    world.purchases.insert(key, *outcome);
                }
            }
        }
        let outcomes = steps.iter().map(|step| play(&mut world, step)).collect();
        self.write(&mut world);
        outcomes
    }

    fn write(&mut self, world: &mut World) {
        let changes = world.take_changes();
        for (name, before) in changes.players {
            let known = self.players.insert(name.clone(), world.players[&name].clone());
            assert_eq!(before, known.map(|known| Standing::of(&name, &known)), "standing before the batch");
        }
        for (key, outcome) in changes.purchases {
            assert_eq!(self.purchases.insert(key, outcome), None, "a purchase is judged once");
        }
        for (token, claim) in changes.devices {
            let loses = self.devices.get(&token).is_some_and(|device| {
                (device.arrived_at_ms, &device.username) > (claim.arrived_at_ms, &claim.username)
            });
            if !loses {
                self.devices.insert(token, claim);
            }
        }
        for round in changes.rounds {
            assert_eq!(self.rounds.announce(round), Ok(game::Announced::New));
        }
        self.applied_through_ms = world.applied_through_ms;
    }
}

/// Another interleaving that keeps each player's own sequence, and its order relative to the scheduler's commands.
fn interleaved(steps: &[Step], picks: &[u8]) -> Vec<(usize, Step)> {
    let mut result = Vec::new();
    let mut picks = picks.iter().cycle().map(|pick| usize::from(*pick));
    let numbered: Vec<(usize, Step)> = steps.iter().cloned().enumerate().collect();
    for segment in
        numbered.chunk_by(|a, b| a.1.action.username().is_some() && b.1.action.username().is_some())
    {
        let mut queues: BTreeMap<Option<&Username>, Vec<&(usize, Step)>> = BTreeMap::new();
        for item in segment.iter().rev() {
            queues.entry(item.1.action.username()).or_default().push(item);
        }
        while !queues.is_empty() {
            let name = *queues.keys().nth(picks.next().unwrap_or(0) % queues.len()).unwrap();
            result.extend(queues.get_mut(&name).and_then(Vec::pop).cloned());
            queues.retain(|_, queue| !queue.is_empty());
        }
    }
    result
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_same_command_again_at_once_changes_nothing(steps in out_of_order()) {
        let mut world = World::default();
        for step in &steps {
            let untouched = world.clone();
            let first = play(&mut world, step);
            if first.is_err() {
                prop_assert_eq!(&world, &untouched, "a fault: {:?}", step);
            }
            let before = world.clone();
            let second = play(&mut world, step);
            prop_assert_eq!(&world, &before, "{:?}", step);
            let expected = match first {
                Ok(Outcome::Added { .. }) => Ok(Outcome::Added { new: false }),
                Ok(Outcome::Press(PressOutcome::Counted { .. })) => {
                    Ok(Outcome::Press(PressOutcome::AlreadyPressed))
                }
                Ok(Outcome::Purchase(outcome)) => Ok(Outcome::PurchaseKnown(outcome)),
                Ok(Outcome::Announced(_)) => Ok(Outcome::Announced(game::Announced::Known)),
                other => other,
            };
            prop_assert_eq!(second, expected, "{:?}", step);
            // A resend that the inbox stored as another message changes nothing either.
            let resent = Stamps { stored_at_ms: Some(i64::MAX), ..step.stamps() };
            prop_assert_eq!(world.apply(resent, &step.action), expected, "{:?}", step);
            prop_assert_eq!(&world, &before, "{:?}", step);
        }
    }

    /// A redelivery keeps its arrived_at; a client's retry arrives later.
    #[test]
    fn a_command_again_later_changes_nothing(
        steps in timely(), which in any::<prop::sample::Index>(), until in any::<prop::sample::Index>(), retry: bool,
    ) {
        let first = which.index(steps.len());
        let last = first + until.index(steps.len() - first);
        let (mut world, outcomes) = play_all(&steps[..=last]);
        let again = &steps[first];
        let Some(name) = again.action.username() else { return Ok(()) };
        let judged = !matches!(outcomes[first], Ok(Outcome::UnknownPlayer));
        let at_ms = if retry { steps[last].at_ms } else { again.at_ms };
        // Time alone may settle rounds; an add without fields does just that.
        if world.players.contains_key(name) {
            world.apply(Stamps::of_arrival(at_ms), &add(name.as_str())).unwrap();
        }
        let before = without_changes(&world);
        let outcome = world.apply(Stamps::of_arrival(at_ms), &again.action).unwrap();
        let mut after = without_changes(&world);
        let shown = before.players.get(name).cloned();
        match (&again.action, after.players.get_mut(name), shown) {
            // Name and platform come from the last add that was applied.
            (Action::Add(_), Some(player), Some(was)) => {
                (player.name, player.platform) = (was.name, was.platform);
                prop_assert_eq!(after, before);
            }
            // The last press shown may now be the rejection; nothing else may change.
            (Action::Press { .. }, Some(player), Some(was)) if judged && !retry => {
                player.last_press = was.last_press;
                prop_assert_eq!(after, before);
                let counted = matches!(outcome, Outcome::Press(PressOutcome::Counted { .. }));
                prop_assert!(!counted);
            }
            (Action::Press { .. }, Some(player), Some(was)) if judged => {
                // A retry is a press for the round that is open now; it never counts twice in one round.
                if matches!(outcome, Outcome::Press(PressOutcome::Counted { .. })) {
                    prop_assert!(player.pressed_round > was.pressed_round);
                } else {
                    player.last_press = was.last_press;
                    prop_assert_eq!(after, before);
                }
            }
            (Action::Buy { .. }, Some(_), Some(_)) if judged => {
                let known = matches!(outcome, Outcome::PurchaseKnown(_));
                prop_assert!(known);
                prop_assert_eq!(after, before);
            }
            (_, None, None) => prop_assert_eq!(outcome, Outcome::UnknownPlayer),
            _ => prop_assert!(!judged),
        }
    }

    #[test]
    fn interleaving_of_players_changes_nothing(steps in out_of_order(), picks in prop::collection::vec(0..12_u8, 1..40)) {
        let (world, outcomes) = play_all(&steps);
        let (order, reordered): (Vec<usize>, Vec<Step>) = interleaved(&steps, &picks).into_iter().unzip();
        prop_assert_eq!(reordered.len(), steps.len());
        let (again, mut their_outcomes) = play_all(&reordered);
        prop_assert_eq!(again, world);
        let mut numbered: Vec<_> = order.into_iter().zip(their_outcomes.drain(..)).collect();
        numbered.sort_by_key(|(number, _)| *number);
        prop_assert_eq!(numbered.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>(), outcomes);
    }

    #[test]
    fn cutting_into_batches_changes_nothing(steps in out_of_order(), sizes in prop::collection::vec(1..20_usize, 1..20)) {
        let (world, outcomes) = play_all(&steps);
        let mut store = Store::default();
        let (mut rest, mut sizes, mut batched) = (&steps[..], sizes.iter().cycle(), Vec::new());
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            batched.extend(store.batch(batch));
            rest = others;
        }
        prop_assert_eq!(batched, outcomes);
        prop_assert_eq!(&store.rounds, &*world.rounds);
        prop_assert_eq!(store.applied_through_ms, world.applied_through_ms);
        prop_assert_eq!(&store.players, &world.players);
        prop_assert_eq!(&store.purchases, &world.purchases);
        prop_assert_eq!(&store.devices, &world.changes.devices);
    }

    #[test]
    fn the_score_is_what_was_earned_less_what_was_paid(steps in out_of_order()) {
        let mut world = World::default();
        for step in &steps {
            let score_of = |world: &World| {
                step.action.username().and_then(|name| world.players.get(name)).map(|player| player.score)
            };
            let before = score_of(&world);
            let outcome = play(&mut world, step);
            let (Some(before), Some(after)) = (before, score_of(&world)) else { continue };
            let expected = match (outcome, &step.action) {
                (Ok(Outcome::Press(outcome)), _) => before.saturating_add(outcome.points()).min(SCORE_MAX),
                (Ok(Outcome::Purchase(PurchaseOutcome::Bought)), Action::Buy { powerup, .. }) => {
                    prop_assert!(before >= powerup.level.price());
                    before - powerup.level.price()
                }
                _ => before,
            };
            prop_assert_eq!(after, expected, "{:?}", step);
            prop_assert!(after <= SCORE_MAX);
        }
        let presses: u64 = steps.iter().map(|step| u64::from(matches!(step.action, Action::Press { .. }))).sum();
        prop_assert!(world.players.values().all(|player| player.streak <= presses));
    }

    /// A press keeps its effect, and a round that was announced too late costs nobody anything.
    #[test]
    fn no_late_round_lowers_a_streak(steps in timely_or_late()) {
        let mut world = World::default();
        for step in &steps {
            let before = world.players.clone();
            let late = Stamps { stored_at_ms: Some(i64::MAX), ..step.stamps() };
            world.apply(late, &step.action).unwrap();
            for (name, before) in before {
                let after = world.players[&name].settled_view(&world.rounds, step.at_ms);
                prop_assert!(after.streak >= before.streak, "{:?} after {:?}", name, step);
                prop_assert!(after.pressed_round >= before.pressed_round, "{:?} after {:?}", name, step);
            }
        }
    }

    #[test]
    fn the_rules_written_twice_agree(steps in timely_or_late()) {
        let mut world = World::default();
        let mut model = Model::default();
        for step in &steps {
            let outcome = play(&mut world, step).unwrap();
            if let Some(expected) = model.play(step.stamps(), &step.action) {
                prop_assert_eq!(outcome, expected, "{:?}", step);
                if let (Outcome::Added { new: true }, Some(name)) = (outcome, step.action.username()) {
                    model.players.get_mut(name.as_str()).unwrap().score = score_at_start(name);
                }
            }
            for name in NAMES {
                same_player(&world, &model, name, step)?;
            }
        }
    }
}

/// Compares one player, and what reads show of the player, with the model.
fn same_player(world: &World, model: &Model, name: &str, step: &Step) -> Result<(), TestCaseError> {
    let (Some(player), Some(expected)) = (world.players.get(&user(name)), model.players.get(name)) else {
        prop_assert_eq!(world.players.contains_key(&user(name)), model.players.contains_key(name));
        return Ok(());
    };
    prop_assert_eq!(player.score, expected.score, "{} after {:?}", name, step);
    prop_assert_eq!(player.reached_at_ms, expected.reached_at_ms, "{} after {:?}", name, step);
    prop_assert_eq!(player.streak, model.streak_shown(name, 0), "{} after {:?}", name, step);
    let last_press = expected.last_press.map(|(round, outcome, arrived_at_ms)| LastPress {
        round,
        outcome,
        arrived_at_ms,
    });
    prop_assert_eq!(player.last_press, last_press, "{} after {:?}", name, step);
    let last_purchase = player.last_purchase.as_ref().map(|last| (last.id.as_str().to_owned(), last.outcome));
    prop_assert_eq!(&last_purchase, &expected.last_purchase, "{} after {:?}", name, step);
    for kind in PowerupKind::ALL {
        let found =
            player.effect(kind).map(|effect| (effect.level.number(), effect.from_ms, effect.until_ms));
        let bought = expected.bought.get(&kind).and_then(|all| all.last());
        let number = |level: usize| u8::try_from(level + 1).unwrap();
        let shown = bought.map(|bought| (number(bought.level), bought.from_ms, bought.until_ms));
        prop_assert_eq!(found, shown, "{:?} of {} after {:?}", kind, name, step);
    }
    if let Some(round) = world.rounds.latest_opened(step.at_ms) {
        let heard = &model.rounds[&round.id];
        prop_assert_eq!(player.cutoff_ms(round), expected.cutoff_ms(heard), "{} after {:?}", name, step);
    }
    // At the last tick, and as if a tick had arrived at this step.
    for through_ms in [world.applied_through_ms, step.at_ms - 1] {
        let shown = player.settled_view(&world.rounds, through_ms);
        let streak = model.streak_shown(name, through_ms);
        prop_assert_eq!(shown.streak, streak, "{} read through {} after {:?}", name, through_ms, step);
        prop_assert_eq!((shown.score, shown.pressed_round), (player.score, player.pressed_round));
    }
    Ok(())
}
