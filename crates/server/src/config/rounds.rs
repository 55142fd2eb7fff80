//! The schedule of rounds.

use game::bounds::WINDOW_MS_MAX;
use game::schedule::Cadence;
use settings::{Given, Noted, Role, Setting, SettingsReader, settings};

use crate::bounds::{LEAD_MS_MAX, LEAD_MS_MIN};

/// Ingest uses them too if it has an operator token: it then opens rounds on request.
const ROLES: &[Role] = &[Role::Ingest, Role::Scheduler, Role::Tool];

settings! {
    /// The schedule of rounds.
    pub struct RoundsSettings {
        window_ms: i64 = Given::number, Setting::new(
            "WINDOW_MS", "milliseconds",
            "how long the player is told that a round is lit",
        ).default("100000").dev("8000").within(1, WINDOW_MS_MAX).roles(ROLES);
        grace_ms: i64 = Given::number, Setting::new(
            "GRACE_MS", "milliseconds",
            "how much longer a press still counts; never shown",
        ).default("10000").dev("2000").within(0, WINDOW_MS_MAX).roles(ROLES);
        gap_ms: i64 = Given::number, Setting::new(
            "ROUND_GAP_MS", "milliseconds",
            "time after an opening in which no other round opens; more than 5 × (window + grace)",
        ).default("3600000").dev("50001").within(1, 366 * WINDOW_MS_MAX).roles(ROLES);
        odds: u32 = Given::number, Setting::new(
            "ROUND_ODDS", "1 in this many",
            "the chance, each second after the buffer, that a round opens; 0: only operators open rounds",
        ).default("10000").dev("10").within(0, u32::MAX as i64).roles(ROLES);
        /// Minimum time between the announcement of a round and its opening, in milliseconds.
        pub lead_ms: i64 = Given::number, Setting::new(
            "ROUND_LEAD_MS", "milliseconds",
            "minimum time between the announcement of a round and its opening",
        ).default("2000").dev("1000").within(LEAD_MS_MIN, LEAD_MS_MAX).roles(ROLES);
        /// If set, the time from the start to the opening of the first round, in milliseconds.
        pub first_ms: Option<i64> = Given::optional_number, Setting::new(
            "FIRST_ROUND_MS", "milliseconds",
            "when set, a round opens this long after the scheduler started, or as soon as none would overlap",
        ).dev("5000").within(0, WINDOW_MS_MAX).roles(&[Role::Scheduler]);
    }
}

impl RoundsSettings {
    pub(super) fn parse(reader: &mut SettingsReader) -> Result<Self, Noted> {
        let rounds = Self::collect(reader)?;
        match rounds.cadence().check() {
            Ok(()) => Ok(rounds),
            Err(overlap) => Err(reader.wrong("ROUND_GAP_MS", overlap)),
        }
    }

    /// Window, grace, gap and odds.
    pub fn cadence(&self) -> Cadence {
        let Self { window_ms, grace_ms, gap_ms, odds, .. } = *self;
        Cadence { window_ms, grace_ms, gap_ms, odds }
    }
}
