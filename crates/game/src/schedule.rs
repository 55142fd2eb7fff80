//! When the next round opens. Source: docs/rules.md, "Round": each second after the buffer opens with probability
//! 1/odds. Randomness is passed in.

use crate::Round;

/// The parameters of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// How long a round is shown as lit, in milliseconds.
    pub window_ms: i64,
    /// How much longer a press counts, in milliseconds.
    pub grace_ms: i64,
    /// The time after an opening without another one, in milliseconds.
    pub gap_ms: i64,
    /// Each second after the gap opens with probability 1/odds; 0: no round opens by itself.
    pub odds: u32,
}

/// The error of [`Cadence::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "two rounds could be lit at once for a player with the largest extender: the gap is {gap_ms} ms and must be more \
     than 5 × (window + grace) = {lit_ms_max} ms"
)]
pub struct Overlap {
    pub gap_ms: i64,
    pub lit_ms_max: i64,
}

impl Cadence {
    /// How long a round is lit for a player with the largest extender.
    pub fn lit_ms_max(&self) -> i64 {
        Round { id: 1, opens_at_ms: 0, window_ms: self.window_ms, grace_ms: self.grace_ms }.cutoff_max_ms()
    }

    /// Checks that no two rounds can overlap for any player.
    ///
    /// # Errors
    /// [`Overlap`], with both figures.
    pub fn check(&self) -> Result<(), Overlap> {
        let lit_ms_max = self.lit_ms_max();
        if self.gap_ms > lit_ms_max { Ok(()) } else { Err(Overlap { gap_ms: self.gap_ms, lit_ms_max }) }
    }

    /// The opening after the one at `previous_ms`; `None` when no round opens by itself.
    ///
    /// `uniform` is drawn evenly from (0, 1]. The number of seconds after the buffer is geometric, found by
    /// inversion: ⌈ln u / ln(1 − 1/odds)⌉, at least 1, so that the mean gap is `gap_ms` + odds seconds.
    pub fn next_opening_ms(&self, previous_ms: i64, uniform: f64) -> Option<i64> {
        let odds = f64::from((self.odds > 0).then_some(self.odds)?);
        let seconds = (uniform.ln() / (-1.0 / odds).ln_1p()).ceil().clamp(1.0, 1e12);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 1..=10^12 just above")]
        let seconds = seconds as i64;
        Some(previous_ms.saturating_add(self.gap_ms).saturating_add(seconds * 1000))
    }
}
