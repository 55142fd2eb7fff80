//! The scheduler: draws when rounds open, announces each to every partition before it opens, and sends the ticks that
//! let reads settle. It writes only its table and the inbox.
//!
//! It has no timers: a test steps it with [`Scheduler::step`]. After a restart it continues from the table.

mod operator;
mod waits;

use std::sync::Arc;

use engine::clock::Clock;
use engine::run::{LoopLog, Repeat, Rest, repeat};
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder};
use game::schedule::Cadence;
use game::{Action, Round};
pub use operator::OpenError;
use parking_lot::Mutex;
use queue::{Outgoing, Queue};
use rand::RngExt;
use rand::rngs::StdRng;
use store::{Schedule, Scheduled, Stage};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bounds::{ANNOUNCE_MARGIN_MS, LEAD_MS_MIN, SCHEDULE_POLL, TICK_DELAY_MS};

/// Why a step failed; the next step continues where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    #[error("the schedule failed")]
    Store(#[from] store::Error),
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// A row of the table is not a round, or a command cannot be encoded.
    #[error("the schedule is broken: {0}")]
    Broken(String),
}

/// Options of a scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    pub cadence: Cadence,
    /// The lead of a round, in milliseconds: how long before its opening it is announced at the latest.
    pub lead_ms: i64,
    /// The shortest lead that an operator may ask for, in milliseconds.
    pub lead_ms_min: i64,
    /// If set, a round opens this many milliseconds after the start.
    pub first_round_ms: Option<i64>,
    pub partitions: u16,
}

/// The scheduler of one process. Several may share a table.
pub struct Scheduler {
    schedule: Schedule,
    queue: Queue,
    clock: Clock,
    rng: Mutex<StdRng>,
    options: SchedulerOptions,
    /// Notified when an operator opened a round.
    changed: Notify,
    /// The latest round that is known to be fixed.
    fixed: Mutex<Option<Scheduled>>,
    /// The fixed round that opens later than a correct clock can have scheduled.
    ahead: Mutex<Option<Round>>,
}

impl Scheduler {
    pub fn new(
        schedule: Schedule,
        queue: Queue,
        clock: Clock,
        rng: StdRng,
        options: SchedulerOptions,
    ) -> Arc<Self> {
        let rng = Mutex::new(rng);
        let (fixed, ahead) = Default::default();
        Arc::new(Self { schedule, queue, clock, rng, options, changed: Notify::new(), fixed, ahead })
    }

    /// Closes its connections to the store.
    pub async fn close(&self) {
        self.schedule.close().await;
    }

    /// Steps until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut stepping = Stepping { scheduler: &self, first_ms: self.options.first_round_ms };
        let _ = repeat(&mut stepping, &self.clock, &stop).await; // none of its errors is fatal
    }

    /// Does everything that is due, and returns when the next thing is, in Unix milliseconds.
    ///
    /// # Errors
    /// [`SchedulerError`]; what was done stays done.
    pub async fn step(&self) -> Result<i64, SchedulerError> {
        let mut wake_ms = i64::MAX;
        for row in self.schedule.unfinished().await? {
            wake_ms = wake_ms.min(self.advance(row).await?);
        }
        let latest = self.schedule.latest().await?;
        self.note_ahead(self.latest_fixed(latest.as_ref()).await?.as_ref());
        if latest.as_ref().is_none_or(|row| row.stage != Stage::Drawn)
            && let Some(round) = self.draw(latest.map(|row| row.round))?
        {
            let drawn = Scheduled { round, by_operator: false, stage: Stage::Drawn, ticks_sent: 0 };
            let inserted = self.schedule.insert_if_absent(&drawn).await?;
            // If another scheduler was faster, look at what it drew.
            wake_ms = wake_ms.min(if inserted { self.announce_from_ms(&round) } else { self.clock.now_ms() });
        }
        Ok(wake_ms)
    }

    /// Advances one round as far as possible now, and returns when it can advance further.
    async fn advance(&self, row: Scheduled) -> Result<i64, SchedulerError> {
        let mut row = row;
        if row.stage == Stage::Drawn {
            if self.options.cadence.odds == 0 {
                return Ok(i64::MAX); // drawn under another configuration: now only operators open rounds
            }
            let now_ms = self.clock.now_ms();
            let announce_from_ms = self.announce_from_ms(&row.round);
            if now_ms < announce_from_ms {
                let before = self.latest_fixed(Some(&row)).await?.map(|row| row.round);
                let Some(round) = self.drawn_anew(&row.round, before)? else { return Ok(announce_from_ms) };
                if self.schedule.replace_drawn(&row.round, &Scheduled { round, ..row }).await? {
                    warn!("the next round was drawn by a fast clock; drawing it again");
                }
                return Ok(now_ms);
            }
            // A fixed round must be announced, so never fix one while the inbox is unreachable.
            self.queue.check().await?;
            let now_ms = self.clock.now_ms();
            let drawn = row.round;
            if drawn.opens_at_ms < now_ms + LEAD_MS_MIN {
                // It cannot be announced in time, and never was, so it opens later instead.
                row.round = self.round(drawn.id, now_ms + self.options.lead_ms + ANNOUNCE_MARGIN_MS)?;
            } else {
                row.stage = Stage::Announcing;
            }
            if !self.schedule.replace_drawn(&drawn, &row).await? || row.stage == Stage::Drawn {
                return Ok(now_ms); // another scheduler was faster, or it has another time: look again
            }
        }
        if row.stage == Stage::Announcing {
            self.announce(&row.round).await?;
        }
        self.tick(&row).await
    }

    /// Sends an announcement to every partition, durably, and records that in the table.
    async fn announce(&self, round: &Round) -> Result<(), SchedulerError> {
        self.send_everywhere(&format!("round-{}", round.id), &Action::Announce(*round)).await?;
        self.schedule.announced(round.id).await?;
        debug!(round = round.id, opens_at_ms = round.opens_at_ms, "announced");
        Ok(())
    }

    /// Sends the ticks that are due, the latest one for all of them, and returns when the next one is.
    async fn tick(&self, row: &Scheduled) -> Result<i64, SchedulerError> {
        let cutoffs_ms = row.round.cutoffs_ms();
        let now_ms = self.clock.now_ms();
        let due = cutoffs_ms.iter().filter(|cutoff_ms| **cutoff_ms + TICK_DELAY_MS <= now_ms).count();
        let sent = usize::from(row.ticks_sent);
        if due > sent {
            let through_ms = cutoffs_ms[due - 1];
            let id = format!("tick-{}-{due}", row.round.id);
            self.send_everywhere(&id, &Action::Tick { through_ms }).await?;
            self.schedule.ticked(row.round.id, u8::try_from(due).unwrap_or(u8::MAX)).await?;
            if sent == 0 {
                info!(round = row.round.id, "round over");
            }
        }
        Ok(cutoffs_ms.get(due.max(sent)).map_or(i64::MAX, |cutoff_ms| cutoff_ms + TICK_DELAY_MS))
    }

    /// Sends a command to every partition. The ids are the same for every scheduler and every resend, so that the
    /// inbox deduplicates them.
    async fn send_everywhere(&self, id: &str, action: &Action) -> Result<(), SchedulerError> {
        let mut payload = Vec::new();
        wire::encode_action(action, &mut payload)
            .map_err(|error| SchedulerError::Broken(error.to_string()))?;
        let (inbox, partitions) = (self.queue.inbox_id(), self.options.partitions);
        let now_ms = self.clock.now_ms();
        let envelope = |partition| {
            // A round is secret until it opens, so the backlog must not show its announcement.
            let id = format!("{id}-{partition}");
            let message = Outgoing { partition, id, body: String::new(), quiet: true };
            let mut builder =
                EnvelopeBuilder::new(inbox, partitions, &message.stored_id(), ENVELOPE_BYTES_MAX);
            builder.push(None, now_ms, &payload);
            Outgoing { body: builder.finish(), ..message }
        };
        let envelopes: Vec<_> = (0..partitions).map(envelope).collect();
        for result in self.queue.send(&envelopes).await {
            result?;
        }
        Ok(())
    }

    fn announce_from_ms(&self, round: &Round) -> i64 {
        round.opens_at_ms - self.options.lead_ms - ANNOUNCE_MARGIN_MS
    }

    fn round(&self, id: u64, opens_at_ms: i64) -> Result<Round, SchedulerError> {
        let Cadence { window_ms, grace_ms, .. } = self.options.cadence;
        Round::new(id, opens_at_ms, window_ms, grace_ms)
            .map_err(|invalid| SchedulerError::Broken(invalid.to_string()))
    }

    /// Draws the round after this one. The chance is the same each second, so after a long pause or a restart without
    /// a table, a draw from now on is as good as an earlier one.
    fn draw(&self, previous: Option<Round>) -> Result<Option<Round>, SchedulerError> {
        let cadence = self.options.cadence;
        let base_ms = self.draw_from_ms(previous.as_ref());
        // 1 − [0, 1) is (0, 1].
        let uniform = 1.0 - self.rng.lock().random::<f64>();
        let Some(opens_at_ms) = cadence.next_opening_ms(base_ms, uniform) else { return Ok(None) };
        // The round before may have another window: the configuration may have changed.
        let free_ms = previous.map_or(0, |round| round.cutoff_max_ms() + 1);
        let id = previous.map_or(1, |round| round.id + 1);
        self.round(id, opens_at_ms.max(free_ms)).map(Some)
    }

    /// The start of the gap before the round after this one, in Unix milliseconds.
    fn draw_from_ms(&self, previous: Option<&Round>) -> i64 {
        let soonest_ms = self.clock.now_ms() - self.options.cadence.gap_ms;
        previous.map_or(soonest_ms, |round| round.opens_at_ms.max(soonest_ms))
    }

    /// At the start of `dev`: pulls the next round forward.
    async fn pull_forward(&self, first_ms: i64) -> Result<i64, SchedulerError> {
        self.step().await?;
        let now_ms = self.clock.now_ms();
        if let Some(drawn) = self.schedule.latest().await?.filter(|row| row.stage == Stage::Drawn) {
            let before = self.schedule.get(drawn.round.id.saturating_sub(1)).await?;
            let free_ms = before.map_or(0, |row| row.round.opens_at_ms + self.options.cadence.gap_ms);
            let soon = self.round(drawn.round.id, free_ms.max(now_ms + first_ms))?;
            if soon.opens_at_ms < drawn.round.opens_at_ms {
                self.schedule.replace_drawn(&drawn.round, &Scheduled { round: soon, ..drawn }).await?;
            }
        }
        Ok(now_ms)
    }
}

struct Stepping<'s> {
    scheduler: &'s Scheduler,
    /// How soon the first round opens, in milliseconds; `None` once that is done.
    first_ms: Option<i64>,
}

impl Repeat for Stepping<'_> {
    type Error = SchedulerError;

    const LOG: LoopLog = LoopLog::every_time("scheduler step failed, retrying", "scheduler recovered");

    async fn once(&mut self) -> Result<Rest, SchedulerError> {
        let at_ms = match self.first_ms {
            Some(first_ms) => self.scheduler.pull_forward(first_ms).await?,
            None => self.scheduler.step().await?,
        };
        self.first_ms = None;
        Ok(Rest::Until { at_ms, at_most: SCHEDULE_POLL })
    }

    /// Until an operator opens a round.
    async fn meanwhile(&mut self) {
        self.scheduler.changed.notified().await;
    }
}
