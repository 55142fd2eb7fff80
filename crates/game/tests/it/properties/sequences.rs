//! Random sequences of commands near the times where the rules change: openings, cutoffs, ends of powerups.

use game::bounds::SCORE_MAX;
use game::{Action, Level, Platform, Powerup, PowerupKind, PurchaseId, Round, Stamps, Username};
use proptest::prelude::*;

use crate::support::{HOUR_MS, add_with, press, user};

pub(crate) const NAMES: [&str; 3] = ["ann", "bob", "cy"];

/// Initial score of a new player: hardly any points, many, or close to the maximum.
pub(crate) fn score_at_start(name: &Username) -> u64 {
    match name.as_str() {
        "ann" => 150,
        "bob" => 5_000,
        _ => SCORE_MAX - 20,
    }
}

/// A command with its arrival time; an announcement also has its storage time.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) at_ms: i64,
    pub(crate) stored_at_ms: Option<i64>,
    pub(crate) action: Action,
}

impl Step {
    fn new(at_ms: i64, action: Action) -> Self {
        Self { at_ms, stored_at_ms: None, action }
    }

    /// An announcement with equal storage and arrival time.
    fn announce(at_ms: i64, round: Round) -> Self {
        Self { at_ms, stored_at_ms: Some(at_ms), action: Action::Announce(round) }
    }

    pub(crate) fn stamps(&self) -> Stamps {
        Stamps { arrived_at_ms: self.at_ms, stored_at_ms: self.stored_at_ms }
    }
}

const ROUNDS: usize = 10;

/// Rounds 3 h apart, so that a powerup of 6 h bought at one opening ends at another. Window lengths include odd ones.
fn round(id: u64) -> Round {
    let (window_ms, grace_ms) =
        [(100_000, 10_000), (99_999, 10_000), (7, 2)][usize::try_from(id % 3).unwrap()];
    Round::new(id, (100 + 3 * i64::try_from(id).unwrap()) * HOUR_MS, window_ms, grace_ms).unwrap()
}

/// A time close to an opening or a cutoff.
fn time() -> impl Strategy<Value = i64> {
    (1..=ROUNDS as u64, 0..11_usize, -1..=1_i64).prop_map(|(id, place, shift_ms)| {
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

/// Announcement times, 2 s before each opening.
fn in_time() -> impl Strategy<Value = [i64; ROUNDS]> {
    Just(std::array::from_fn(|index| round(index as u64 + 1).opens_at_ms - 2_000))
}

/// Half of the announcements are in time; the others come while the round is still open for some player, or after it.
fn in_time_or_late() -> impl Strategy<Value = [i64; ROUNDS]> {
    (in_time(), prop::array::uniform::<_, ROUNDS>(0..12_usize)).prop_map(|(in_time, places)| {
        std::array::from_fn(|index| {
            let round = round(index as u64 + 1);
            let [base, one, .., four] = round.cutoffs_ms();
            let opens = round.opens_at_ms;
            let late = [opens, opens + 1, opens + 5, base, one + 1, four + HOUR_MS];
            late.get(places[index]).copied().unwrap_or(in_time[index])
        })
    })
}

/// The scheduler's commands: announcements at these times, and a tick after each cutoff unless the announcement is
/// later.
fn scheduled(announced_ms: [i64; ROUNDS]) -> Vec<Step> {
    (1..)
        .map(round)
        .zip(announced_ms)
        .flat_map(|(round, announced_ms)| {
            let tick = |through_ms: i64| Step::new(through_ms.max(announced_ms), Action::Tick { through_ms });
            std::iter::once(Step::announce(announced_ms, round)).chain(round.cutoffs_ms().map(tick))
        })
        .collect()
}

/// Commands in order of arrival, with rounds announced in time; every player joins at some time.
pub(crate) fn timely() -> impl Strategy<Value = Vec<Step>> {
    announced(in_time())
}

/// The same, with late announcements.
pub(crate) fn timely_or_late() -> impl Strategy<Value = Vec<Step>> {
    announced(in_time_or_late())
}

fn announced(announced_ms: impl Strategy<Value = [i64; ROUNDS]>) -> impl Strategy<Value = Vec<Step>> {
    let joins = prop::collection::vec((0..4_u8, time()), NAMES.len());
    let commands = prop::collection::vec((time(), command()), 1..80);
    (joins, commands, announced_ms).prop_map(|(joins, commands, announced_ms)| {
        let mut steps: Vec<Step> = NAMES
            .into_iter()
            .zip(joins)
            // Most players join before the first round.
            .map(|(name, (early, at_ms))| {
                let at_ms = if early > 0 { 90 * HOUR_MS } else { at_ms };
                Step::new(at_ms, add_with(name, None, None, None))
            })
            .collect();
        steps.extend(commands.into_iter().map(|(at_ms, action)| Step::new(at_ms, action)));
        steps.extend(scheduled(announced_ms));
        steps.sort_by_key(|step| (step.at_ms, matches!(step.action, Action::Tick { .. })));
        steps
    })
}

/// Some commands and announcements arrive late (announcements in order of ids), and some announcements are impossible.
pub(crate) fn out_of_order() -> impl Strategy<Value = Vec<Step>> {
    let faults = prop::collection::vec((0..=ROUNDS as u64, prop::sample::select(&[1_i64, 45][..])), ROUNDS);
    (timely_or_late(), faults, prop::collection::vec(0..10_usize, 200)).prop_map(|(steps, faults, delays)| {
        let late_ms = [0, 0, 0, 0, 0, 0, 1, 60_000, 2 * HOUR_MS, 7 * HOUR_MS];
        let (mut placed, mut announced_ms, mut faults) = (Vec::new(), 0, faults.into_iter());
        for (step, delay) in steps.into_iter().zip(delays) {
            let Action::Announce(round) = step.action else {
                placed.push((step.at_ms + late_ms[delay], step));
                continue;
            };
            announced_ms = announced_ms.max(step.at_ms + late_ms[delay]);
            // Some are in a journal without storage times.
            let stored_at_ms = delay.is_multiple_of(2).then_some(announced_ms);
            placed.push((announced_ms, Step { stored_at_ms, ..step }));
            // Round 0 means none. Other rounds get another opening, or a later one that still overlaps.
            if let Some((id, shift_ms)) = faults.next().filter(|(id, _)| *id > 0) {
                let wrong =
                    Round { id: round.id + id / 5, opens_at_ms: round.opens_at_ms + shift_ms, ..round };
                placed.push((announced_ms, Step::announce(announced_ms, wrong)));
            }
        }
        placed.sort_by_key(|(place_ms, _)| *place_ms);
        placed.into_iter().map(|(_, step)| step).collect()
    })
}
