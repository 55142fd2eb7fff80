//! An operator opens a round, on the same path as a drawn one.

use game::Round;
use store::{Scheduled, Stage};

use super::{Scheduler, SchedulerError};
use crate::bounds::{LEAD_MS_MAX, OPEN_TRIES_MAX};

/// Why an operator's round was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another round would still be open for some player.
    #[error("round {other} can be lit for a player with the largest extender for another {wait_ms} ms")]
    Overlaps {
        other: u64,
        /// How much later the round could open, in milliseconds.
        wait_ms: i64,
    },
    #[error(transparent)]
    Invalid(#[from] game::Invalid),
    /// The table or the inbox failed, or other schedulers changed the table too often.
    #[error(transparent)]
    Failed(#[from] SchedulerError),
}

impl From<store::Error> for OpenError {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Scheduler {
    /// Announces a round that opens `lead_ms` from now; returns when every partition has the announcement durably. It
    /// replaces a round that is drawn but not announced, and the gap starts anew. If several operators ask at once,
    /// even for the same time, one gets the round and the others get [`OpenError::Overlaps`].
    ///
    /// # Errors
    /// [`OpenError::Overlaps`] if a round could still be open then; [`OpenError::Failed`] if it may or may not open.
    pub async fn open_now(&self, lead_ms: i64) -> Result<Round, OpenError> {
        let (min, max) = (self.options.lead_ms_min, LEAD_MS_MAX);
        if !(min..=max).contains(&lead_ms) {
            return Err(game::Reason::OutOfRange { min, max }.of("lead_ms").into());
        }
        // A fixed round must be announced, so never fix one while the inbox is unreachable.
        self.queue.check().await.map_err(SchedulerError::from)?;
        for _ in 0..OPEN_TRIES_MAX {
            let latest = self.schedule.latest().await?;
            let opens_at_ms = self.clock.now_ms().saturating_add(lead_ms);
            let round = match latest {
                Some(row) if row.stage == Stage::Drawn => self.replace(&row, opens_at_ms).await?,
                latest => self.append(latest.map(|row| row.round), opens_at_ms).await?,
            };
            if let Some(round) = round {
                self.announce_before(round.id).await?;
                self.announce(&round).await?;
                self.changed.notify_one();
                return Ok(round);
            }
        }
        Err(SchedulerError::Broken("another scheduler keeps changing it".to_owned()).into())
    }

    /// Announces earlier fixed rounds first, even those of a scheduler that died half-way: no announcement may
    /// overtake an earlier one.
    async fn announce_before(&self, id: u64) -> Result<(), SchedulerError> {
        let rows = self.schedule.unfinished().await?;
        for row in rows.iter().filter(|row| row.round.id < id && row.stage == Stage::Announcing) {
            self.announce(&row.round).await?;
        }
        Ok(())
    }

    async fn replace(&self, drawn: &Scheduled, opens_at_ms: i64) -> Result<Option<Round>, OpenError> {
        let id = drawn.round.id;
        let before = self.schedule.get(id.saturating_sub(1)).await?;
        free(before.map(|row| row.round), opens_at_ms)?;
        let round = self.round(id, opens_at_ms)?;
        // One update sets its time and fixes it, so that no other scheduler gets in between.
        let fixed = Scheduled { round, by_operator: true, stage: Stage::Announcing, ticks_sent: 0 };
        Ok(self.schedule.replace_drawn(&drawn.round, &fixed).await?.then_some(round))
    }

    async fn append(&self, latest: Option<Round>, opens_at_ms: i64) -> Result<Option<Round>, OpenError> {
        free(latest, opens_at_ms)?;
        let round = self.round(latest.map_or(1, |latest| latest.id + 1), opens_at_ms)?;
        let row = Scheduled { round, by_operator: true, stage: Stage::Announcing, ticks_sent: 0 };
        Ok(self.schedule.insert_if_absent(&row).await?.then_some(round))
    }
}

fn free(before: Option<Round>, opens_at_ms: i64) -> Result<(), OpenError> {
    match before {
        Some(before) if before.cutoff_max_ms() >= opens_at_ms => {
            Err(OpenError::Overlaps { other: before.id, wait_ms: before.cutoff_max_ms() + 1 - opens_at_ms })
        }
        _ => Ok(()),
    }
}
