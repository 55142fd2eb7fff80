//! A player: the state, the settling of rounds, and the judging of commands.
//! Source: docs/rules.md, "Settling", "Press", "Powerups", "Outcomes", "Late announcement".

use crate::bounds::SCORE_MAX;
use crate::{
    DisplayName, Effect, ExtenderHalves, KnownRound, Platform, Powerup, PowerupKind, PurchaseId, Round,
    Rounds,
};

/// The outcome of a press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PressOutcome {
    /// It counted.
    Counted {
        /// Points added to the score, the multiplier included.
        points: u64,
    },
    /// No round was open for anybody.
    NotOpen,
    /// The player has a counted press in this round.
    AlreadyPressed,
    /// The round is over for this player.
    TooLate,
}

impl PressOutcome {
    /// The code in the wire and the store.
    pub fn code(self) -> &'static str {
        match self {
            Self::Counted { .. } => "counted",
            Self::NotOpen => "not_open",
            Self::AlreadyPressed => "already_pressed",
            Self::TooLate => "too_late",
        }
    }

    /// Points of the press; 0 if it was rejected.
    pub fn points(self) -> u64 {
        match self {
            Self::Counted { points } => points,
            Self::NotOpen | Self::AlreadyPressed | Self::TooLate => 0,
        }
    }

    /// The outcome of a code; `points` are those of `counted`.
    pub fn from_code(code: &str, points: u64) -> Option<Self> {
        [Self::Counted { points }, Self::NotOpen, Self::AlreadyPressed, Self::TooLate]
            .into_iter()
            .find(|outcome| outcome.code() == code)
    }
}

/// The outcome of a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PurchaseOutcome {
    /// Charged and active.
    Bought,
    /// A higher level of the same kind is active; not charged.
    HigherLevelActive,
    /// The score is below the price; not charged.
    NotEnoughPoints,
}

impl PurchaseOutcome {
    /// The code in the wire and the store.
    pub fn code(self) -> &'static str {
        match self {
            Self::Bought => "bought",
            Self::HigherLevelActive => "higher_level_active",
            Self::NotEnoughPoints => "not_enough_points",
        }
    }

    /// The outcome of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Bought, Self::HigherLevelActive, Self::NotEnoughPoints]
            .into_iter()
            .find(|outcome| outcome.code() == code)
    }
}

/// The last press of a player, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastPress {
    /// The round that it was judged against; `None` when none was open.
    pub round: Option<u64>,
    pub outcome: PressOutcome,
    pub arrived_at_ms: i64,
}

/// The last purchase of a player, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPurchase {
    pub id: PurchaseId,
    pub outcome: PurchaseOutcome,
}

/// The state of a player, without devices and purchase ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// The display name, if there is one.
    pub name: Option<DisplayName>,
    /// The platform of the last add that named one.
    pub platform: Option<Platform>,
    /// When the first add arrived, in Unix milliseconds.
    pub added_at_ms: i64,
    /// Points, at most [`SCORE_MAX`].
    pub score: u64,
    /// Counted presses since the last miss.
    pub streak: u64,
    /// When the score last changed, in Unix milliseconds.
    pub reached_at_ms: i64,
    /// The id of the last round settled for this player; 0 for none.
    pub settled_round: u64,
    /// The id of the last round with a counted press; 0 for none.
    pub pressed_round: u64,
    /// The id of the last round whose cutoff is fixed; 0 for none.
    pub fixed_round: u64,
    /// The extender that fixes the cutoff of `fixed_round`, in halves.
    pub fixed_extender: ExtenderHalves,
    /// The last freeze, active or expired.
    pub freeze: Option<Effect>,
    /// The last multiplier, active or expired.
    pub multiplier: Option<Effect>,
    /// The last extender, active or expired.
    pub extender: Option<Effect>,
    pub last_press: Option<LastPress>,
    pub last_purchase: Option<LastPurchase>,
}

/// From this streak on, a press brings the square of the streak.
pub const SQUARED_FROM: u64 = 10;

/// Points for a press that makes the streak this long: s below [`SQUARED_FROM`], s² from there on.
pub fn curve(streak: u64) -> u64 {
    if streak < SQUARED_FROM { streak } else { streak.saturating_mul(streak) }
}

impl Player {
    /// A player whose first add arrived at this time. Past rounds count as settled, so they are never missed.
    pub(crate) fn new(at_ms: i64, rounds: &Rounds) -> Self {
        Self {
            name: None,
            platform: None,
            added_at_ms: at_ms,
            score: 0,
            streak: 0,
            reached_at_ms: at_ms,
            settled_round: rounds.last_over_for_newcomer(at_ms),
            pressed_round: 0,
            fixed_round: 0,
            fixed_extender: Round::BASE_HALVES,
            freeze: None,
            multiplier: None,
            extender: None,
            last_press: None,
            last_purchase: None,
        }
    }

    /// The last effect of this kind of powerup.
    pub fn effect(&self, kind: PowerupKind) -> Option<Effect> {
        match kind {
            PowerupKind::Freeze => self.freeze,
            PowerupKind::Multiplier => self.multiplier,
            PowerupKind::Extender => self.extender,
        }
    }

    fn effect_mut(&mut self, kind: PowerupKind) -> &mut Option<Effect> {
        match kind {
            PowerupKind::Freeze => &mut self.freeze,
            PowerupKind::Multiplier => &mut self.multiplier,
            PowerupKind::Extender => &mut self.extender,
        }
    }

    fn extender_for(&self, round: &Round) -> ExtenderHalves {
        if round.id == self.fixed_round { self.fixed_extender } else { round.extender_of(self.extender) }
    }

    /// The last millisecond at which a press of this player counts in this round.
    pub fn cutoff_ms(&self, round: &Round) -> i64 {
        round.cutoff_ms(self.extender_for(round))
    }

    /// The closing time that this player is shown, in Unix milliseconds, without the grace.
    pub fn closes_at_ms(&self, round: &Round) -> i64 {
        round.closes_at_ms(self.extender_for(round))
    }

    /// Settles every round whose cutoff is before this time, in id order.
    fn settle(&mut self, rounds: &Rounds, before_ms: i64) {
        for KnownRound { round, late } in rounds.after(self.settled_round) {
            let cutoff_ms = self.cutoff_ms(round);
            if cutoff_ms >= before_ms {
                break;
            }
            let pressed = self.pressed_round == round.id;
            let newcomer = round.opens_at_ms <= self.added_at_ms;
            let forgiven = self
                .freeze
                .is_some_and(|freeze| freeze.from_ms <= cutoff_ms && freeze.until_ms > round.opens_at_ms);
            if !(pressed || newcomer || forgiven || *late) {
                self.streak = 0;
            }
            self.settled_round = round.id;
        }
    }

    /// Runs before each command of the player: settles rounds, then fixes the cutoff of the round that is lit, so that
    /// a later purchase cannot change it.
    pub(crate) fn before_command(&mut self, rounds: &Rounds, at_ms: i64) {
        self.settle(rounds, at_ms);
        if let Some(round) = rounds.latest_opened(at_ms).filter(|round| round.id > self.fixed_round) {
            self.fixed_extender = round.extender_of(self.extender);
            self.fixed_round = round.id;
        }
    }

    /// The player as reads show it: settled up to the time up to which the partition has applied all arrivals.
    #[must_use]
    pub fn settled_view(&self, rounds: &Rounds, applied_through_ms: i64) -> Self {
        let mut view = self.clone();
        view.settle(rounds, applied_through_ms.saturating_add(1));
        view
    }

    /// Judges a press and stores its outcome.
    pub(crate) fn press(&mut self, rounds: &Rounds, at_ms: i64) -> PressOutcome {
        let lit = rounds.latest_opened(at_ms).filter(|round| at_ms <= round.cutoff_max_ms());
        let outcome = match lit {
            None => PressOutcome::NotOpen,
            Some(round) if self.pressed_round == round.id => PressOutcome::AlreadyPressed,
            Some(round) if at_ms > self.cutoff_ms(round) || round.id <= self.settled_round => {
                PressOutcome::TooLate
            }
            Some(round) => self.count(round, at_ms),
        };
        let press = LastPress { round: lit.map(|round| round.id), outcome, arrived_at_ms: at_ms };
        let hides_counted = self.last_press.is_some_and(|last| {
            matches!(last.outcome, PressOutcome::Counted { .. }) && last.round == press.round
        });
        if !hides_counted {
            self.last_press = Some(press);
        }
        outcome
    }

    fn count(&mut self, round: &Round, at_ms: i64) -> PressOutcome {
        self.streak = self.streak.saturating_add(1);
        self.pressed_round = round.id;
        let factor_halves = match self.multiplier.filter(|effect| effect.is_active(at_ms)) {
            Some(effect) => Powerup { kind: PowerupKind::Multiplier, level: effect.level }.quantity_halves(),
            None => 2,
        };
        let points = curve(self.streak).saturating_mul(u64::from(factor_halves / 2));
        let score = self.score.saturating_add(points).min(SCORE_MAX);
        self.set_score(score, at_ms);
        PressOutcome::Counted { points }
    }

    /// Judges a purchase with a new id, and stores its outcome.
    pub(crate) fn buy(&mut self, id: &PurchaseId, powerup: Powerup, at_ms: i64) -> PurchaseOutcome {
        let price = powerup.level.price();
        let outcome = match powerup.bought_at(at_ms, self.effect(powerup.kind)) {
            None => PurchaseOutcome::HigherLevelActive,
            Some(_) if self.score < price => PurchaseOutcome::NotEnoughPoints,
            Some(effect) => {
                *self.effect_mut(powerup.kind) = Some(effect);
                self.set_score(self.score - price, at_ms);
                PurchaseOutcome::Bought
            }
        };
        self.last_purchase = Some(LastPurchase { id: id.clone(), outcome });
        outcome
    }

    fn set_score(&mut self, score: u64, at_ms: i64) {
        if score != self.score {
            self.score = score;
            self.reached_at_ms = at_ms;
        }
    }
}
