//! Rounds that a fast clock has left in the schedule. A drawn round is drawn again. A fixed round never changes: it
//! opens at its time, no other round opens before it, and operators are informed.

use game::Round;
use store::{Scheduled, Stage};
use tracing::{info, warn};

use super::{Scheduler, SchedulerError};
use crate::bounds::{ANNOUNCE_MARGIN_MS, CLOCKS_DIFFER_MS_MAX, DRAW_MEANS_MAX, LEAD_MS_MAX};

impl Scheduler {
    /// The reason why no round opens, if a clock was wrong; `None` if there is none, as of the last step.
    pub fn waiting(&self) -> Option<String> {
        let round = (*self.ahead.lock())?;
        let wait_s = (round.opens_at_ms - self.clock.now_ms()).max(0) / 1_000;
        Some(format!(
            "a clock is or was wrong: announced round {} opens in {wait_s} s, and no other round opens before it",
            round.id
        ))
    }

    /// The latest fixed round, opened or not. Cached, because a fixed round never changes.
    pub(super) async fn latest_fixed(
        &self,
        latest: Option<&Scheduled>,
    ) -> Result<Option<Scheduled>, SchedulerError> {
        let Some(latest) = latest else { return Ok(None) };
        if latest.stage != Stage::Drawn {
            return Ok(Some(*latest));
        }
        let id = latest.round.id.saturating_sub(1);
        if id == 0 {
            return Ok(None);
        }
        let known = *self.fixed.lock();
        if let Some(known) = known.filter(|known| known.round.id == id) {
            return Ok(Some(known));
        }
        let fixed = self.schedule.get(id).await?;
        *self.fixed.lock() = fixed;
        Ok(fixed)
    }

    /// Records whether the latest fixed round opens so late that no correct clock can have announced it; logs that
    /// once.
    pub(super) fn note_ahead(&self, fixed: Option<&Scheduled>) {
        let lead_ms_max = |row: &Scheduled| match row.by_operator {
            true => LEAD_MS_MAX.max(self.options.lead_ms),
            false => self.options.lead_ms + ANNOUNCE_MARGIN_MS,
        };
        let now_ms = self.clock.now_ms();
        let is_ahead =
            |row: &&Scheduled| row.round.opens_at_ms - now_ms > lead_ms_max(row) + CLOCKS_DIFFER_MS_MAX;
        let ahead = fixed.filter(is_ahead).map(|row| row.round);
        let before = std::mem::replace(&mut *self.ahead.lock(), ahead);
        match (before, ahead, self.waiting()) {
            (before, Some(round), Some(waiting)) if before != Some(round) => {
                warn!(waiting, "a round was announced too far ahead; no other round opens before it")
            }
            (Some(_), None, _) => info!("rounds open again"),
            _ => {}
        }
    }

    /// A new draw for a round that no correct clock would have drawn; `None` if the round stays.
    pub(super) fn drawn_anew(
        &self,
        drawn: &Round,
        before: Option<Round>,
    ) -> Result<Option<Round>, SchedulerError> {
        let cadence = self.options.cadence;
        let base_ms = self.draw_from_ms(before.as_ref()).saturating_add(cadence.gap_ms);
        let free_ms = before.map_or(0, |round| round.cutoff_max_ms() + 1);
        let wait_ms_max = i64::from(cadence.odds).saturating_mul(DRAW_MEANS_MAX * 1_000);
        if drawn.opens_at_ms <= base_ms.max(free_ms).saturating_add(wait_ms_max) {
            return Ok(None);
        }
        self.draw(before)
    }
}
