//! Random sequences of commands, close to where the rules change their mind: openings, cutoffs, ends of powerups.

use game::bounds::SCORE_MAX;
use game::{Action, Level, Platform, Powerup, PowerupKind, PurchaseId, Round, Username};
use proptest::prelude::*;

use crate::support::{HOUR_MS, add_with, press, user};

pub(crate) const NAMES: [&str; 3] = ["ann", "bob", "cy"];

/// The points that a newcomer is given: hardly any, many, or nearly all that there can be.
pub(crate) fn score_at_start(name: &Username) -> u64 {
    match name.as_str() {
        "ann" => 150,
        "bob" => 5_000,
        _ => SCORE_MAX - 20,
    }
}

/// A command and when it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at_ms: i64,
    pub(crate) action: Action,
}

const ROUNDS: u64 = 10;
const ANNOUNCEMENTS: usize = 10;

/// Rounds 3 h apart, so that a powerup of 6 h bought at an opening ends at another. Windows of odd lengths, too.
fn round(id: u64) -> Round {
    let (window_ms, grace_ms) =
        [(100_000, 10_000), (99_999, 10_000), (7, 2)][usize::try_from(id % 3).unwrap()];
    Round::new(id, (100 + 3 * i64::try_from(id).unwrap()) * HOUR_MS, window_ms, grace_ms).unwrap()
}

/// A point in time near a place where a round matters.
fn time() -> impl Strategy<Value = i64> {
    (1..=ROUNDS, 0..11_usize, -1..=1_i64).prop_map(|(id, place, shift_ms)| {
        let round = round(id);
        let [base, one, two, three, four] = round.cutoffs_ms();
        let opens = round.opens_at_ms;
        let places = [
            opens,
            opens,
            opens + 4,
            base,
            one,
            two,
            three,
            four,
            base - 6 * HOUR_MS,
            opens - HOUR_MS,
            opens,
        ];
        places[place] + shift_ms
    })
}

fn command() -> impl Strategy<Value = Action> {
    let name = prop::sample::select(&NAMES[..]);
    let add = (prop::sample::select(&NAMES[..]), 0..4_usize, 0..4_usize, 0..4_usize).prop_map(
        |(name, shown, platform, token)| {
            let shown = [None, Some("A"), Some("B"), None][shown];
            let token = [None, Some("t1"), Some("t2"), Some("t3")][token];
            add_with(name, shown, Platform::ALL.get(platform).copied(), token)
        },
    );
    let powerup = (prop::sample::select(&PowerupKind::ALL[..]), prop::sample::select(&Level::ALL[..]))
        .prop_map(|(kind, level)| Powerup { kind, level });
    let buy = (prop::sample::select(&NAMES[..]), 0..25_u8, powerup).prop_map(|(name, id, powerup)| {
        Action::Buy { username: user(name), id: PurchaseId::new(&format!("p{id}")).unwrap(), powerup }
    });
    prop_oneof![6 => name.prop_map(press), 4 => buy, 1 => add]
}

/// The scheduler's part: announcements 2 s before the openings, a tick after each cutoff.
fn scheduled() -> Vec<Step> {
    (1..=ROUNDS)
        .map(round)
        .flat_map(|round| {
            let announce = Step { at_ms: round.opens_at_ms - 2_000, action: Action::Announce(round) };
            let tick = |through_ms| Step { at_ms: through_ms, action: Action::Tick { through_ms } };
            std::iter::once(announce).chain(round.cutoffs_ms().map(tick))
        })
        .collect()
}

/// Commands in the order of their arrival; every player joins at some time.
pub(crate) fn timely() -> impl Strategy<Value = Vec<Step>> {
    let joins = prop::collection::vec((0..4_u8, time()), NAMES.len());
    let commands = prop::collection::vec((time(), command()), 1..80);
    (joins, commands).prop_map(|(joins, commands)| {
        let mut steps: Vec<Step> = NAMES
            .into_iter()
            .zip(joins)
            // Most join before the first round.
            .map(|(name, (early, at_ms))| Step {
                at_ms: if early > 0 { 90 * HOUR_MS } else { at_ms },
                action: add_with(name, None, None, None),
            })
            .collect();
        steps.extend(commands.into_iter().map(|(at_ms, action)| Step { at_ms, action }));
        steps.extend(scheduled());
        steps.sort_by_key(|step| (step.at_ms, matches!(step.action, Action::Tick { .. })));
        steps
    })
}

/// Commands of which some come late, announcements too (in the order of their ids), and announcements that cannot be.
pub(crate) fn out_of_order() -> impl Strategy<Value = Vec<Step>> {
    let faults = prop::collection::vec((0..=ROUNDS, prop::sample::select(&[1_i64, 45][..])), ANNOUNCEMENTS);
    (timely(), faults, prop::collection::vec(0..10_usize, 200)).prop_map(|(steps, faults, delays)| {
        let late_ms = [0, 0, 0, 0, 0, 0, 1, 60_000, 2 * HOUR_MS, 7 * HOUR_MS];
        let (mut placed, mut announced_ms, mut faults) = (Vec::new(), 0, faults.into_iter());
        for (step, delay) in steps.into_iter().zip(delays) {
            let Action::Announce(round) = step.action else {
                placed.push((step.at_ms + late_ms[delay], step));
                continue;
            };
            announced_ms = announced_ms.max(step.at_ms + late_ms[delay]);
            placed.push((announced_ms, step));
            // Round 0 stands for none; others are this one with another opening, or a later one within it.
            if let Some((id, shift_ms)) = faults.next().filter(|(id, _)| *id > 0) {
                let wrong =
                    Round { id: round.id + id / 5, opens_at_ms: round.opens_at_ms + shift_ms, ..round };
                placed.push((announced_ms, Step { at_ms: announced_ms, action: Action::Announce(wrong) }));
            }
        }
        placed.sort_by_key(|(place_ms, _)| *place_ms);
        placed.into_iter().map(|(_, step)| step).collect()
    })
}
