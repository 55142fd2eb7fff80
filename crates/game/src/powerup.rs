//! Powerups: kinds, levels, prices and durations. Source: docs/rules.md, "Powerups".

use crate::{Invalid, Reason, bounds::TIME_MS_MAX};

const HOUR_MS: i64 = 3_600_000;

/// The three kinds of powerup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PowerupKind {
    /// Missed rounds are forgiven.
    Freeze,
    /// Points are multiplied.
    Multiplier,
    /// The player's cutoff is later.
    Extender,
}

/// The four levels of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    One,
    Two,
    Three,
    Four,
}

impl Level {
    /// All four, cheapest first.
    pub const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];

    /// The price in points; the same for every kind.
    pub fn price(self) -> u64 {
        match self {
            Self::One => 60,
            Self::Two => 150,
            Self::Three => 330,
            Self::Four => 700,
        }
    }

    /// 1 to 4, as stored.
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    /// The level with this number, 1 to 4.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    fn index(self) -> usize {
        usize::from(self.number()) - 1
    }
}

impl PowerupKind {
    /// All three, in the order of the rules.
    pub const ALL: [Self; 3] = [Self::Freeze, Self::Multiplier, Self::Extender];

    /// The code in `powerUpType` of the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Freeze => "FREEZE",
            Self::Multiplier => "MULTIPLIER",
            Self::Extender => "EXTENDER",
        }
    }

    /// The kind of a code.
    ///
    /// # Errors
    /// [`Invalid`] when there is none.
    pub fn from_code(code: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|kind| kind.code() == code);
        found.ok_or(Reason::NotOneOf("FREEZE, MULTIPLIER, EXTENDER").of("powerUpType"))
    }

    /// Twice the quantity of each level: halves make the extender's 1.5 an integer.
    fn quantity_halves(self) -> [u16; 4] {
        match self {
            Self::Freeze => [12, 24, 48, 96],
            Self::Multiplier => [4, 6, 10, 20],
            Self::Extender => [3, 4, 6, 10],
        }
    }

    fn quantities(self) -> &'static str {
        match self {
            Self::Freeze => "6, 12, 24, 48",
            Self::Multiplier => "2, 3, 5, 10",
            Self::Extender => "1.5, 2, 3, 5",
        }
    }
}

/// A powerup that can be bought: a kind at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Powerup {
    pub kind: PowerupKind,
    pub level: Level,
}

impl Powerup {
    /// The powerup whose `quantity` on the wire is this number.
    ///
    /// # Errors
    /// [`Invalid`] when the kind has no such level.
    pub fn from_quantity(kind: PowerupKind, quantity: f64) -> Result<Self, Invalid> {
        let halves = kind.quantity_halves();
        let found =
            Level::ALL.into_iter().zip(halves).find(|(_, halves)| f64::from(*halves) == quantity * 2.0);
        let (level, _) = found.ok_or(Reason::NotOneOf(kind.quantities()).of("quantity"))?;
        Ok(Self { kind, level })
    }

    /// Twice the `quantity` on the wire; exact, where 1.5 would need a fraction.
    pub fn quantity_halves(self) -> u16 {
        self.kind.quantity_halves()[self.level.index()]
    }

    /// The `quantity` on the wire: hours of a freeze, factor of a multiplier or an extender.
    pub fn quantity(self) -> f64 {
        f64::from(self.quantity_halves()) / 2.0
    }

    /// The duration in milliseconds: the quantity in hours for a freeze, 6 hours for the others.
    pub fn duration_ms(self) -> i64 {
        match self.kind {
            PowerupKind::Freeze => i64::from(self.quantity_halves()) * HOUR_MS / 2,
            PowerupKind::Multiplier | PowerupKind::Extender => 6 * HOUR_MS,
        }
    }

    /// The effect of buying this at `at_ms`, given the player's `current` effect of this kind; `None` when a higher
    /// level is active, which only matters for multipliers and extenders.
    pub fn bought_at(self, at_ms: i64, current: Option<Effect>) -> Option<Effect> {
        let fresh = Effect { level: self.level, from_ms: at_ms, until_ms: later(at_ms, self.duration_ms()) };
        let Some(active) = current.filter(|effect| effect.is_active(at_ms)) else { return Some(fresh) };
        let longer = Effect {
            level: self.level,
            from_ms: active.from_ms,
            until_ms: later(active.until_ms, self.duration_ms()),
        };
        match (self.kind, self.level.cmp(&active.level)) {
            (PowerupKind::Freeze, _) | (_, std::cmp::Ordering::Equal) => Some(longer),
            (_, std::cmp::Ordering::Greater) => Some(fresh),
            (_, std::cmp::Ordering::Less) => None,
        }
    }
}

fn later(at_ms: i64, duration_ms: i64) -> i64 {
    at_ms.saturating_add(duration_ms).min(TIME_MS_MAX)
}

/// The effect of a powerup, active or expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effect {
    /// The level last bought.
    pub level: Level,
    /// In Unix milliseconds, inclusive.
    pub from_ms: i64,
    /// In Unix milliseconds, exclusive.
    pub until_ms: i64,
}

impl Effect {
    /// Whether it is active at this time: from ≤ at < until.
    pub fn is_active(&self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }
}
