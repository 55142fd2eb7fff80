//! Random users, partners, clients, timers and payment pages at one market. After each step the rows that changed agree
//! with each other; in the end everything has ended, and who owes has paid once.

mod checks;
mod provider;
mod state;
mod steps;

use cheers::{Cheers, Rules};
use kind::{Input, Play};

use crate::model::state::Model;
use crate::world::is_full;

/// How large a market is, and for how long it runs.
struct Size {
    partners: usize,
    users: usize,
    steps: u32,
}

fn run(seed: u64, size: &Size, rules: Rules) -> Model {
    let mut model = Model::new(seed, size.users, size.partners, rules);
    for _ in 0..size.steps {
        model.step();
    }
    model.drain();
    model.check_end();
    model
}

/// Rules under which everything happens within a few hours, by the world's number.
fn rules(world: u64) -> Rules {
    let short = Rules { arrive_ms: 240_000, ride_ms: 900_000, link_ms: 1_200_000, ..Rules::default() };
    match world % 4 {
        0 => Rules::default(),
        1 => Rules { offers_at_once: 3, ..short },
        2 => Rules { is_pin_needed: true, wrong_pins_max: 2, offers_max: 6, passed_max: 4, ..short },
        _ => Rules { offers_at_once: 8, offer_ms: 400_000, reports_max: 2, ..short },
    }
}

#[test]
fn nobody_holds_two_no_request_has_two_and_everything_ends_and_is_paid_once() {
    // A few partners for many users is where most happens at once.
    let dense = Size { partners: 12, users: 20, steps: 4_000 };
    let mut met = std::collections::BTreeMap::<&str, u32>::new();
    for world in 0..4 {
        let model = run(world, &dense, rules(world));
        model.met.into_iter().for_each(|(what, times)| *met.entry(what).or_default() += times);
    }
    // Each of these has been seen, so the checks above had something to say.
    for what in [
        "completed",
        "no_match",
        "cancelled",
        "given_back",
        "never_started",
        "never_ended",
        "taken",
        "expired",
        "operator_ended",
        "redriven",
        "paid",
        "refunded",
        "disputed",
        "failed",
        "new_link",
        "wrong_pin",
        "silent",
        "link_given_up",
        "paid_while_ending",
    ] {
        assert!(met.get(what).is_some_and(|times| *times > 0), "{what}: {met:?}");
    }
}

#[test]
fn a_thousand_partners_and_a_thousand_users() {
    let (worlds, size) = if is_full() {
        (50, Size { partners: 1_000, users: 1_000, steps: 20_000 })
    } else {
        (1, Size { partners: 100, users: 100, steps: 4_000 })
    };
    for world in 0..worlds {
        run(1_000 + world, &size, rules(world));
    }
}

/// A market of ten users and ten partners with its journal, which begins after the accounts, and its rules.
pub(crate) fn market_of_ten() -> (Model, Rules) {
    let rules = rules(1);
    let mut model = Model::new(7, 10, 10, rules.clone());
    model.driver.journal = Some(Vec::new());
    (0..2_000).for_each(|_| model.step());
    (model, rules)
}

#[test]
fn a_replay_of_the_journal_comes_to_the_same_rows_timers_and_events() {
    let (model, rules) = market_of_ten();
    let mut replay = Play::<Cheers>::new(rules);
    for (now_ms, input) in model.accounts.iter().chain(model.driver.journal.iter().flatten()) {
        let input: Input<Cheers> = serde_json::from_str(input).unwrap();
        // A fault leaves nothing, here as there.
        let _ = replay.feed(*now_ms, &input);
    }
    assert!(replay.rows().eq(model.driver.rows()));
    assert!(replay.timers().eq(model.driver.timers()));
    assert!(replay.effects().eq(model.driver.effects()));
    assert_eq!(replay.events(), model.driver.events());
}
