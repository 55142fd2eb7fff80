//! Settling one batch: load → apply → save → ack. Two transactions: one reads, one writes; nothing goes over the network
//! while either is open, and no loop holds two connections.

use std::sync::Arc;

use ledger::{Committed, Connection, Identity, JournalRow, Ledger, Position, Span};
use metrics::{Counter, Histogram, counter, histogram};
use queue::{Lease, Message, Queue, Sequence};
use tracing::{debug, warn};

use super::{Crowd, LIMIT, Step, StepError, Work, batch};
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
    ledger: Ledger,
    crowd: Arc<C>,
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
    pub(super) fn new(queue: Queue, ledger: Ledger, crowd: Arc<C>, clock: Clock, identity: Identity) -> Self {
        let metrics = Metrics {
            commands_size: histogram!("buttonparty_apply_commands_size"),
            commit_seconds: histogram!("buttonparty_commit_seconds"),
            lag_seconds: histogram!("buttonparty_apply_lag_seconds"),
            buried: counter!("buttonparty_buried_total"),
        };
        Self { queue, ledger, crowd, clock, identity, refused: None, metrics }
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
        let (Err(StepError::Store(ledger::Error::Refused { .. })), Some(first)) =
            (&result, job.works.first())
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

    /// Load, apply, save and ack, again from the start when another handler moved the position meanwhile.
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
        let (mut messages, mut commands) = (0, 0);
        let received = works.len();
        let prepared = self.prepare(partition, works).await?;
        if prepared.as_ref().map_or(0, |prepared| prepared.works.len()) < received {
            // Mostly what was not acked in time. But the messages of a queue that was made anew begin with low sequences too:
            // nobody has applied them, and they must not be acked away.
            self.queue.is_same().await?;
        }
        if let Some(mut prepared) = prepared {
            self.bury(prepared.works).await?;
            let watch = Stopwatch::start();
            let reading = async {
                // Once for each batch, however often it is tried.
                if *may_read_on && ahead.is_empty() {
                    *ahead = self.read_on(lease).await;
                }
            };
            let (committed, ()) = tokio::join!(self.write(&mut prepared, Ending::Commit), reading);
            if committed? == Committed::Fenced {
                return Ok(None);
            }
            let Prepared { span, batch, works, applied } = prepared;
            self.measure(works, watch.seconds());
            (messages, commands) = (works.len(), applied);
            self.crowd.committed(batch, span);
        }
        match self.queue.ack(lease, last).await {
            Ok(()) => Ok(Some(Step::Applied { messages, commands })),
            // Whoever has it now will find it applied.
            Err(queue::Error::LeaseLost) => Ok(Some(Step::Lost)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what these messages need, and applies those that are not applied yet; `None` when all are.
    pub(super) async fn prepare<'w>(
        &self,
        partition: u16,
        works: &'w mut [Work<C::Command>],
    ) -> Result<Option<Prepared<'w, C>>, StepError> {
        let mut connection = self.ledger.acquire().await?;
        let loaded = self.ledger.timeout(self.load(&mut connection, partition, works)).await;
        let (from, batch) = connection.release(loaded)?;
        if from.generation != self.identity.generation {
            let found = from.generation;
            let reason = format!("the store draws from its inbox number {found} now, not from this one");
            return Err(StepError::Foreign(reason));
        }
        let before = applied_before(works, from);
        let works = &mut works[before..];
        let (Some(mut batch), Some(last)) = (batch, works.last()) else { return Ok(None) };
        let to = Position { sequence: last.message.sequence.0, ..from };
        let span = Span { partition, from, to };
        let applied = works.iter_mut().map(|work| work.apply(&*self.crowd, &mut batch)).sum();
        Ok(Some(Prepared { span, batch, works, applied }))
    }

    /// Reads, at one moment, where the partition stands, and what those of these messages need that are to be applied;
    /// nothing if there are none.
    async fn load(
        &self,
        connection: &mut Connection,
        partition: u16,
        works: &[Work<C::Command>],
    ) -> Result<(Position, Option<C::Batch>), ledger::Error> {
        let mut read = connection.read(partition).await?;
        let position = read.position();
        let new = &works[applied_before(works, position)..];
        let batch = if position.generation != self.identity.generation || new.is_empty() {
            None
        } else {
            let commands: Vec<_> = new.iter().flat_map(Work::to_apply).collect();
            Some(self.crowd.load(&mut read, &commands).await?)
        };
        read.end().await?;
        Ok((position, batch))
    }

    /// Writes a batch, if its partition still stands where it was read.
    pub(super) async fn write(
        &self,
        prepared: &mut Prepared<'_, C>,
        ending: Ending,
    ) -> Result<Committed, ledger::Error> {
        let Prepared { span, batch, works, .. } = prepared;
        let buried: Vec<_> = works.iter().map(Work::buried_indices).collect();
        let journal = batch::journal(works, &buried);
        let mut connection = self.ledger.acquire().await?;
        let written = self.save(&mut connection, *span, batch, &journal, ending);
        let written = self.ledger.timeout(written).await;
        connection.release(written)
    }

    async fn save(
        &self,
        connection: &mut Connection,
        span: Span,
        batch: &mut C::Batch,
        journal: &[JournalRow<'_>],
        ending: Ending,
    ) -> Result<Committed, ledger::Error> {
        let mark = self.crowd.mark(batch);
        let Some(mut write) = connection.write(span, mark).await? else { return Ok(Committed::Fenced) };
        self.crowd.save(&mut write, batch).await?;
        match ending {
            Ending::Commit => write.commit(journal).await?,
            Ending::Rehearsal => write.rehearse(journal).await?,
        }
        Ok(Committed::Done)
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

/// How many of these messages stand at or before the position.
fn applied_before<T>(works: &[Work<T>], position: Position) -> usize {
    works.partition_point(|work| work.message.sequence.0 <= position.sequence)
}

/// How a write ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// It is durable.
    Commit,
    /// It is taken back: whether the database would have refused it.
    Rehearsal,
}

/// Messages that were applied in memory, and the way that their partition makes with them.
pub(super) struct Prepared<'w, C: Crowd> {
    span: Span,
    batch: C::Batch,
    /// Those that had not been applied before.
    works: &'w mut [Work<C::Command>],
    /// Commands applied.
    applied: usize,
}
