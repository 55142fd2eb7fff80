//! Settling one batch: prefetch → apply → commit → ack.

use std::sync::Arc;

use metrics::{Counter, Histogram, counter, histogram};
use queue::{Lease, Message, Queue, Sequence};
use store::{Committed, Position};
use tracing::{debug, warn};

use super::{Crowd, Identity, LIMIT, Step, StepError, Work, batch};
use crate::bounds::{FENCED_TRIES_MAX, POISON_TRIES_MAX};
use crate::clock::{Clock, Stopwatch};

/// A batch of one partition on its way.
pub(super) struct Job<T> {
    pub(super) lease: Lease,
    pub(super) works: Vec<Work<T>>,
    /// What was read on after it.
    pub(super) ahead: Vec<Message>,
    /// Whether it may be read on.
    pub(super) may_read_on: bool,
}

/// Takes batches through all steps. Keeps nothing of a batch but how often it was refused.
pub(super) struct Settler<C> {
    queue: Queue,
    pub(super) crowd: Arc<C>,
    clock: Clock,
    identity: Identity,
    /// The partition and first message of the batch that the store has refused last, and how often in a row.
    refused: Option<(u16, Sequence, u32)>,
    metrics: Metrics,
}

struct Metrics {
    commands_size: Histogram,
    commit_seconds: Histogram,
    lag_seconds: Histogram,
    buried: Counter,
}

impl<C: Crowd> Settler<C> {
    pub(super) fn new(queue: Queue, crowd: Arc<C>, clock: Clock, identity: Identity) -> Self {
        let metrics = Metrics {
            commands_size: histogram!("buttonparty_apply_commands_size"),
            commit_seconds: histogram!("buttonparty_commit_seconds"),
            lag_seconds: histogram!("buttonparty_apply_lag_seconds"),
            buried: counter!("buttonparty_buried_total"),
        };
        Self { queue, crowd, clock, identity, refused: None, metrics }
    }

    /// The number of partitions.
    pub(super) fn partitions(&self) -> u16 {
        self.identity.partitions
    }

    /// Reads messages of one partition.
    pub(super) fn read(
        &self,
        partition: u16,
        messages: Vec<Message>,
    ) -> Result<Vec<Work<C::Command>>, StepError> {
        batch::read_all(&*self.crowd, &self.identity, partition, messages)
    }

    /// Applies and acks a batch; what of it the store refuses for what it is, again and again, is buried.
    pub(super) async fn settle(&mut self, job: &mut Job<C::Command>) -> Result<Step, StepError> {
        let result = self.attempt(job).await;
        let before = self.refused.take();
        // Only what the store refuses for what it is counts towards burying, never what it cannot do just now.
        let (Err(StepError::Store(store::Error::Refused { .. })), Some(first)) = (&result, job.works.first())
        else {
            return result;
        };
        let (partition, first) = (job.lease.partition(), first.message.sequence);
        let times = match before {
            Some((of, at, times)) if (of, at) == (partition, first) => times + 1,
            _ => 1,
        };
        self.refused = Some((partition, first, times));
        if times < POISON_TRIES_MAX {
            return result;
        }
        self.find_refused(partition, &mut job.works).await?;
        let result = self.attempt(job).await;
        self.refused = None;
        result
    }

    /// Prefetch, apply, commit and ack, again from the start when another writer moved the position meanwhile.
    async fn attempt(&self, job: &mut Job<C::Command>) -> Result<Step, StepError> {
        for _ in 0..FENCED_TRIES_MAX {
            if let Some(step) = self.once(job).await? {
                return Ok(step);
            }
        }
        self.queue.release(&job.lease).await?;
        Ok(Step::Lost)
    }

    /// One attempt; `None` when it was fenced off.
    async fn once(&self, job: &mut Job<C::Command>) -> Result<Option<Step>, StepError> {
        let Job { lease, works, ahead, may_read_on } = job;
        let partition = lease.partition();
        let Some(last) = works.last().map(|work| work.message.sequence) else { return Ok(Some(Step::Idle)) };
        let Prepared { from, to, batch, works, applied } = self.prepare(partition, works).await?;
        if !works.is_empty() {
            self.bury(works).await?;
            let buried: Vec<_> = works.iter().map(Work::buried_indices).collect();
            let journal = batch::journal(works, &buried);
            let watch = Stopwatch::start();
            let commit = self.crowd.commit(partition, &batch, from, to, &journal);
            let reading = async {
                // Once for each batch, however often it is tried.
                if *may_read_on && ahead.is_empty() {
                    *ahead = self.read_on(lease).await;
                }
            };
            let (committed, ()) = tokio::join!(commit, reading);
            if committed? == Committed::Fenced {
                return Ok(None);
            }
            self.measure(works, watch.seconds());
            self.crowd.committed(partition, batch, from, to);
        }
        match self.queue.ack(lease, last).await {
            Ok(()) => Ok(Some(Step::Applied { messages: works.len(), commands: applied })),
            // Whoever has it now will find it applied.
            Err(queue::Error::LeaseLost) => Ok(Some(Step::Lost)),
            Err(error) => Err(error.into()),
        }
    }

    /// Prefetches what these messages need, and applies those that are not applied yet.
    pub(super) async fn prepare<'w>(
        &self,
        partition: u16,
        works: &'w mut [Work<C::Command>],
    ) -> Result<Prepared<'w, C>, StepError> {
        let commands: Vec<_> = works.iter().flat_map(|work| &work.commands).collect();
        let (from, mut batch) = self.crowd.prefetch(partition, &commands).await?;
        if from.inbox != self.identity.generation {
            let found = from.inbox;
            let reason = format!("the game draws from its inbox number {found} now, not from this one");
            return Err(StepError::Foreign(reason));
        }
        let last = works.last().map_or(from.sequence, |work| work.message.sequence.0);
        let to = Position { inbox: self.identity.generation, sequence: last };
        let new = works.partition_point(|work| work.message.sequence.0 <= from.sequence);
        let works = &mut works[new..];
        let applied = works.iter_mut().map(|work| work.apply(&*self.crowd, &mut batch)).sum();
        Ok(Prepared { from, to, batch, works, applied })
    }

    /// More of the partition that is held.
    async fn read_on(&self, lease: &Lease) -> Vec<Message> {
        self.queue.read_on(lease, LIMIT).await.unwrap_or_else(|error| {
            debug!(%error, "cannot read on");
            Vec::new()
        })
    }

    /// Dead letters are durable before the position passes them; their ids make a repetition harmless.
    async fn bury(&self, works: &[Work<C::Command>]) -> Result<(), StepError> {
        let now_ms = self.clock.now_ms();
        let letters: Vec<_> =
            works.iter().flat_map(|work| work.letters(&self.identity.inbox_id, now_ms)).collect();
        if letters.is_empty() {
            return Ok(());
        }
        for letter in &letters {
            // The reason may quote what it is about, a player too; the dead letter has it.
            warn!(id = letter.id, "burying");
            debug!(id = letter.id, reason = letter.reason, "burying");
        }
        self.metrics.buried.increment(letters.len() as u64);
        Ok(self.queue.bury(&letters).await?)
    }

    fn measure(&self, works: &[Work<C::Command>], commit_seconds: f64) {
        let shown = works.iter().flat_map(|work| &work.commands);
        let shown = shown.filter(|arrived| !self.crowd.is_secret(&arrived.command));
        let Some(arrived_at_ms) = shown.clone().map(|arrived| arrived.at_ms).min() else { return };
        let lag_ms = self.clock.now_ms().saturating_sub(arrived_at_ms);
        self.metrics.lag_seconds.record(lag_ms.max(0) as f64 / 1000.0);
        self.metrics.commands_size.record(shown.count() as f64);
        self.metrics.commit_seconds.record(commit_seconds);
    }
}

/// Messages that were applied in memory, and where that leads from and to.
pub(super) struct Prepared<'w, C: Crowd> {
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) batch: C::Batch,
    /// Those that had not been applied before.
    pub(super) works: &'w mut [Work<C::Command>],
    /// Commands applied.
    pub(super) applied: usize,
}
