//! Rounds: when a button is lit, for whom until when. Source: docs/rules.md, "Round", "Late announcement".

use crate::bounds::{ROUND_ID_MAX, TIME_MS_MAX, WINDOW_MS_MAX};
use crate::{Effect, Fault, Invalid, Level, Powerup, PowerupKind, Reason};

/// The factor by which a round is lit longer for a player, in halves: 2 is no extender; 3, 4, 6 and 10 are the levels.
pub type ExtenderHalves = u16;

/// One lighting of the button. It is announced before it opens, and then never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Round {
    /// 1, 2, 3, …
    pub id: u64,
    /// In Unix milliseconds, inclusive.
    pub opens_at_ms: i64,
    /// How long it is shown as lit, in milliseconds.
    pub window_ms: i64,
    /// How much longer a press counts, in milliseconds; never shown.
    pub grace_ms: i64,
}

impl Round {
    /// No extender.
    pub const BASE_HALVES: ExtenderHalves = 2;

    /// A round with its fields checked, so that no arithmetic on it can overflow.
    ///
    /// # Errors
    /// [`Invalid`], naming the field that is out of range.
    pub fn new(id: u64, opens_at_ms: i64, window_ms: i64, grace_ms: i64) -> Result<Self, Invalid> {
        let within = |field, value: i64, min: i64, max: i64| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(Reason::OutOfRange { min, max }.of(field)) }
        };
        within("round", i64::try_from(id).unwrap_or(-1), 1, ROUND_ID_MAX.cast_signed())?;
        within("opens_at", opens_at_ms, 0, TIME_MS_MAX)?;
        within("window", window_ms, 1, WINDOW_MS_MAX)?;
        within("grace", grace_ms, 0, WINDOW_MS_MAX)?;
        Ok(Self { id, opens_at_ms, window_ms, grace_ms })
    }

    /// The last millisecond at which a press counts, for a player with this extender:
    /// opens_at + (window + grace) × extender, rounded down.
    pub fn cutoff_ms(&self, extender: ExtenderHalves) -> i64 {
        self.opens_at_ms + (self.window_ms + self.grace_ms) * i64::from(extender) / 2
    }

    /// The last millisecond at which a press could count for anybody.
    pub fn cutoff_max_ms(&self) -> i64 {
        self.cutoff_ms(extender_halves_max())
    }

    /// Every possible cutoff, earliest first: without an extender, then with each level.
    pub fn cutoffs_ms(&self) -> [i64; 5] {
        let mut halves = [Self::BASE_HALVES; 5];
        for (slot, level) in halves[1..].iter_mut().zip(Level::ALL) {
            *slot = Powerup { kind: PowerupKind::Extender, level }.quantity_halves();
        }
        halves.map(|halves| self.cutoff_ms(halves))
    }

    /// The closing time that a player with this extender is shown: opens_at + window × extender, rounded down.
    pub fn closes_at_ms(&self, extender: ExtenderHalves) -> i64 {
        self.opens_at_ms + self.window_ms * i64::from(extender) / 2
    }

    /// The extender that counts for this round: the one with from < opens_at < until.
    pub fn extender_of(&self, extender: Option<Effect>) -> ExtenderHalves {
        match extender {
            Some(effect) if effect.from_ms < self.opens_at_ms && self.opens_at_ms < effect.until_ms => {
                Powerup { kind: PowerupKind::Extender, level: effect.level }.quantity_halves()
            }
            _ => Self::BASE_HALVES,
        }
    }
}

fn extender_halves_max() -> ExtenderHalves {
    Powerup { kind: PowerupKind::Extender, level: Level::Four }.quantity_halves()
}

/// The outcome of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// The round is new to the partition.
    New,
    /// The round was announced before: a resend.
    Known,
}

/// A round as one partition knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KnownRound {
    pub round: Round,
    /// Whether the inbox stored the partition's first announcement after the opening. Missing a late round is forgiven.
    pub late: bool,
}

impl KnownRound {
    /// A round whose first announcement was stored at this time, in Unix milliseconds; not late if that is unknown.
    pub fn announced(round: Round, stored_at_ms: Option<i64>) -> Self {
        Self { round, late: stored_at_ms.is_some_and(|stored_at_ms| stored_at_ms > round.opens_at_ms) }
    }
}

/// The rounds that a partition knows, by id, which is also the order of their openings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rounds(Vec<KnownRound>);

impl Rounds {
    /// Adds an announced round. The first announcement decides whether it is late; a resend changes nothing.
    ///
    /// # Errors
    /// [`Fault`] when it differs from an earlier announcement of the same id, or when the two rounds could be lit
    /// at the same time for some player.
    pub fn announce(&mut self, announced: KnownRound) -> Result<Announced, Fault> {
        let round = announced.round;
        let at = match self.position(round.id) {
            Ok(at) if self.0[at].round == round => return Ok(Announced::Known),
            Ok(_) => return Err(Fault::AnnouncementDiffers { round: round.id }),
            Err(at) => at,
        };
        let before = at.checked_sub(1).and_then(|at| self.get_at(at));
        if let Some(other) = before.filter(|before| before.cutoff_max_ms() >= round.opens_at_ms) {
            return Err(Fault::Overlaps { round: round.id, other: other.id });
        }
        if let Some(other) = self.get_at(at).filter(|after| round.cutoff_max_ms() >= after.opens_at_ms) {
            return Err(Fault::Overlaps { round: round.id, other: other.id });
        }
        self.0.insert(at, announced);
        Ok(Announced::New)
    }

    /// Makes every round late that is late in `other`.
    pub(crate) fn late_where(&mut self, other: &Self) {
        for late in other.0.iter().filter(|known| known.late) {
            if let Ok(at) = self.position(late.round.id) {
                self.0[at].late = true;
            }
        }
    }

    /// The latest round that had opened at this time.
    pub fn latest_opened(&self, at_ms: i64) -> Option<&Round> {
        let opened = self.0.partition_point(|known| known.round.opens_at_ms <= at_ms);
        opened.checked_sub(1).and_then(|at| self.get_at(at))
    }

    /// The rounds with a greater id, in order.
    pub fn after(&self, id: u64) -> &[KnownRound] {
        &self.0[self.0.partition_point(|known| known.round.id <= id)..]
    }

    /// The round with this id.
    pub fn get(&self, id: u64) -> Option<&KnownRound> {
        self.position(id).ok().map(|at| &self.0[at])
    }

    /// All rounds, by id.
    pub fn as_slice(&self) -> &[KnownRound] {
        &self.0
    }

    /// The index of the round with this id, or where it would be inserted.
    fn position(&self, id: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |known| known.round.id)
    }

    fn get_at(&self, at: usize) -> Option<&Round> {
        self.0.get(at).map(|known| &known.round)
    }

    /// The id of the last round whose cutoff without an extender is before this time, 0 if there is none.
    pub(crate) fn last_over_for_newcomer(&self, at_ms: i64) -> u64 {
        let over = self.0.partition_point(|known| known.round.cutoff_ms(Round::BASE_HALVES) < at_ms);
        over.checked_sub(1).map_or(0, |at| self.0[at].round.id)
    }
}
