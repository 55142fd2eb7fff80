//! A second, naive implementation of the rules: it keeps each player's whole history and computes every answer from it.
//! It gets commands in order of time, and announcements in order of rounds.

use std::collections::{BTreeMap, BTreeSet};

use game::{Action, Outcome, Powerup, PowerupKind, PressOutcome, PurchaseOutcome, Round, Stamps};

use crate::support::HOUR_MS;

const SCORE_MAX: u128 = 9_007_199_254_740_991;

/// The state of a powerup after one purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bought {
    /// Number of commands before it.
    place: usize,
    pub(crate) at_ms: i64,
    /// Level, 0 to 3.
    pub(crate) level: usize,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
}

/// Everything that has happened to one player.
#[derive(Debug, Default)]
pub(crate) struct History {
    added_at_ms: i64,
    last_at_ms: i64,
    pub(crate) score: u64,
    pub(crate) reached_at_ms: i64,
    pressed: BTreeSet<u64>,
    pub(crate) bought: BTreeMap<PowerupKind, Vec<Bought>>,
    purchases: BTreeMap<String, PurchaseOutcome>,
    /// Round, outcome, arrived_at.
    pub(crate) last_press: Option<(Option<u64>, PressOutcome, i64)>,
    pub(crate) last_purchase: Option<(String, PurchaseOutcome)>,
}

/// A round that was announced.
#[derive(Debug)]
pub(crate) struct Heard {
    round: Round,
    /// Number of commands before its announcement.
    place: usize,
    late: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    commands: usize,
    pub(crate) rounds: BTreeMap<u64, Heard>,
    pub(crate) players: BTreeMap<String, History>,
}

fn price(level: usize) -> u64 {
    [60, 150, 330, 700][level]
}

fn duration_ms(kind: PowerupKind, level: usize) -> i64 {
    match kind {
        PowerupKind::Freeze => [6, 12, 24, 48][level] * HOUR_MS,
        _ => 6 * HOUR_MS,
    }
}

fn lit_ms(round: &Round, extender: Option<usize>) -> i64 {
    let (times, half) = extender.map_or((2, 2), |level| [(3, 2), (2, 1), (3, 1), (5, 1)][level]);
    (round.window_ms + round.grace_ms) * times / half
}

impl History {
    fn all(&self, kind: PowerupKind) -> &[Bought] {
        self.bought.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Uses the extender as left by purchases before the opening, or before the announcement if that came later.
    pub(crate) fn cutoff_ms(&self, Heard { round, place, .. }: &Heard) -> i64 {
        let opens_at_ms = round.opens_at_ms;
        let before = |bought: &&Bought| bought.at_ms < opens_at_ms || bought.place < *place;
        let owned = self.all(PowerupKind::Extender).iter().rfind(before);
        let counts = owned.filter(|bought| bought.from_ms < opens_at_ms && opens_at_ms < bought.until_ms);
        opens_at_ms + lit_ms(round, counts.map(|bought| bought.level))
    }

    fn is_forgiven(&self, heard: &Heard) -> bool {
        let (cutoff_ms, opens_at_ms) = (self.cutoff_ms(heard), heard.round.opens_at_ms);
        let touches = |freeze: &Bought| freeze.from_ms <= cutoff_ms && freeze.until_ms > opens_at_ms;
        heard.late || self.all(PowerupKind::Freeze).iter().any(touches)
    }

    /// The streak after every round with a cutoff before this time is settled.
    pub(crate) fn streak(&self, rounds: &BTreeMap<u64, Heard>, before_ms: i64) -> u64 {
        rounds.values().fold(0, |streak, heard| {
            if self.pressed.contains(&heard.round.id) {
                streak + 1
            } else if self.cutoff_ms(heard) >= before_ms
                || heard.round.opens_at_ms <= self.added_at_ms
                || self.is_forgiven(heard)
            {
                streak
            } else {
                0
            }
        })
    }

    fn press(&mut self, rounds: &BTreeMap<u64, Heard>, at_ms: i64) -> PressOutcome {
        let opened = rounds.values().rfind(|heard| heard.round.opens_at_ms <= at_ms);
        let is_lit = |heard: &&Heard| at_ms <= heard.round.opens_at_ms + lit_ms(&heard.round, Some(3));
        let lit = opened.filter(is_lit);
        let outcome = match lit {
            None => PressOutcome::NotOpen,
            Some(heard) if self.pressed.contains(&heard.round.id) => PressOutcome::AlreadyPressed,
            Some(heard) if at_ms > self.cutoff_ms(heard) => PressOutcome::TooLate,
            Some(heard) => {
                self.pressed.insert(heard.round.id);
                let streak = self.streak(rounds, at_ms);
                let multiplier = self.all(PowerupKind::Multiplier).last();
                let factor = multiplier
                    .filter(|bought| bought.from_ms <= at_ms && at_ms < bought.until_ms)
                    .map_or(1, |bought| [2, 3, 5, 10][bought.level]);
                let points = factor * if streak < 10 { streak } else { streak * streak };
                let score = (u128::from(self.score) + u128::from(points)).min(SCORE_MAX);
                self.score_becomes(u64::try_from(score).unwrap(), at_ms);
                PressOutcome::Counted { points }
            }
        };
        let round = lit.map(|heard| heard.round.id);
        let counted_before = self
            .last_press
            .is_some_and(|(of, outcome, _)| of == round && matches!(outcome, PressOutcome::Counted { .. }));
        if matches!(outcome, PressOutcome::Counted { .. }) || !counted_before {
            self.last_press = Some((round, outcome, at_ms));
        }
        outcome
    }

    fn buy(&mut self, id: &str, powerup: Powerup, at_ms: i64, place: usize) -> Outcome {
        if let Some(outcome) = self.purchases.get(id) {
            return Outcome::PurchaseKnown(*outcome);
        }
        let kind = powerup.kind;
        let level = usize::from(powerup.level.number()) - 1;
        let last = self.all(kind).last().copied();
        let active = last.filter(|bought| bought.from_ms <= at_ms && at_ms < bought.until_ms);
        let outcome = match active {
            Some(active) if kind != PowerupKind::Freeze && active.level > level => {
                PurchaseOutcome::HigherLevelActive
            }
            _ if self.score < price(level) => PurchaseOutcome::NotEnoughPoints,
            _ => {
                let lengthened = active.filter(|active| kind == PowerupKind::Freeze || active.level == level);
                let from_ms = lengthened.map_or(at_ms, |active| active.from_ms);
                let until_ms = lengthened.map_or(at_ms, |active| active.until_ms) + duration_ms(kind, level);
                self.bought.entry(kind).or_default().push(Bought { place, at_ms, level, from_ms, until_ms });
                self.score_becomes(self.score - price(level), at_ms);
                PurchaseOutcome::Bought
            }
        };
        self.purchases.insert(id.to_owned(), outcome);
        self.last_purchase = Some((id.to_owned(), outcome));
        Outcome::Purchase(outcome)
    }

    fn score_becomes(&mut self, score: u64, at_ms: i64) {
        if score != self.score {
            self.reached_at_ms = at_ms;
        }
        self.score = score;
    }
}

impl Model {
    /// Applies a player's command or an announcement; `None` if the model has no outcome for the command.
    pub(crate) fn play(&mut self, stamps: Stamps, action: &Action) -> Option<Outcome> {
        let (at_ms, place) = (stamps.arrived_at_ms, self.commands);
        self.commands += 1;
        match action {
            Action::Announce(round) => {
                let late = stamps.stored_at_ms > Some(round.opens_at_ms);
                self.rounds.insert(round.id, Heard { round: *round, place, late });
                return None;
            }
            Action::Tick { .. } => return None,
            Action::Add(add) => {
                let name = add.username.as_str().to_owned();
                let new = !self.players.contains_key(&name);
                let fresh = History { added_at_ms: at_ms, reached_at_ms: at_ms, ..History::default() };
                self.players.entry(name).or_insert(fresh).last_at_ms = at_ms;
                return Some(Outcome::Added { new });
            }
            Action::Press { .. } | Action::Buy { .. } => {}
        }
        let Some(player) = self.players.get_mut(action.username()?.as_str()) else {
            return Some(Outcome::UnknownPlayer);
        };
        player.last_at_ms = at_ms;
        Some(match action {
            Action::Buy { id, powerup, .. } => player.buy(id.as_str(), *powerup, at_ms, place),
            _ => Outcome::Press(player.press(&self.rounds, at_ms)),
        })
    }

    /// The streak that a read shows once everything that arrived up to this time is applied.
    pub(crate) fn streak_shown(&self, name: &str, through_ms: i64) -> u64 {
        let player = &self.players[name];
        player.streak(&self.rounds, player.last_at_ms.max(through_ms + 1))
    }
}
