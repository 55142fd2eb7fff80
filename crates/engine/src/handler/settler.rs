//! Settles one batch: load → apply → save → ack. One transaction reads, another one writes. No network request is
//! made while either is open, and no loop holds two connections.

use std::sync::Arc;

use ledger::{Committed, Connection, Identity, JournalRow, Ledger, Position, Span};
use metrics::{Counter, Histogram, counter, histogram};
use queue::{Lease, Message, Queue, Sequence};
use tracing::{debug, warn};

use super::{Crowd, LIMIT, Step, StepError, Work, batch};
use crate::bounds::{FENCED_TRIES_MAX, POISON_TRIES_MAX};
use crate::clock::{Clock, Stopwatch};
use crate::metrics::{APPLY_COMMANDS, APPLY_LAG, BURIED, COMMIT_SECONDS};

/// A batch of one partition.
pub(super) struct Job<T> {
    pub(super) lease: Lease,
    pub(super) works: Vec<Work<T>>,
    /// Messages that were read ahead behind the batch.
    pub(super) ahead: Vec<Message>,
    /// Whether it may read ahead.
    pub(super) may_read_ahead: bool,
}

/// Takes batches through all steps. Its only state is how often the current batch was refused.
pub(super) struct Settler<C> {
    queue: Queue,
    ledger: Ledger,
    crowd: Arc<C>,
    clock: Clock,
    identity: Identity,
    /// The partition and first message of the last batch that the store refused, and how often in a row.
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
            commands_size: histogram!(APPLY_COMMANDS),
            commit_seconds: histogram!(COMMIT_SECONDS),
            lag_seconds: histogram!(APPLY_LAG),
            buried: counter!(BURIED),
        };
        Self { queue, ledger, crowd, clock, identity, refused: None, metrics }
    }

    pub(super) fn partitions(&self) -> u16 {
        self.identity.partitions
    }

    pub(super) fn read(
        &self,
        partition: u16,
        messages: Vec<Message>,
    ) -> Result<Vec<Work<C::Command>>, StepError> {
        batch::read_all(&*self.crowd, &self.identity, partition, messages)
    }

    /// Applies and acks a batch. Commands that the store keeps refusing are buried.
    pub(super) async fn settle(&mut self, job: &mut Job<C::Command>) -> Result<Step, StepError> {
        let result = self.attempt(job).await;
        let before = self.refused.take();
        // Only a refusal of the content counts towards burying, never an outage.
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

    /// Load, apply, save and ack; from the start again if another handler moved the position.
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
        let Job { lease, works, ahead, may_read_ahead } = job;
        let partition = lease.partition();
        let Some(last) = works.last().map(|work| work.message.sequence) else { return Ok(Some(Step::Idle)) };
        let (mut messages, mut commands) = (0, 0);
        let received = works.len();
        let prepared = self.prepare(partition, works).await?;
        if prepared.as_ref().map_or(0, |prepared| prepared.works.len()) < received {
            // Mostly these are messages whose ack was late. But a queue that was deleted and created again begins with
            // low sequences too: its messages are not applied yet and must not be acked.
            self.queue.must_be_same().await?;
        }
        if let Some(mut prepared) = prepared {
            self.bury(prepared.works).await?;
            let watch = Stopwatch::start();
            let reading = async {
                // Once per batch, not per attempt.
                if *may_read_ahead && ahead.is_empty() {
                    *ahead = self.read_ahead(lease).await;
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
            // The next receiver will find it applied.
            Err(queue::Error::LeaseLost) => Ok(Some(Step::Lost)),
            Err(error) => Err(error.into()),
        }
    }

    /// Loads what these messages need, and applies those that are not applied yet; `None` if all are.
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
            let reason = format!("the store now belongs to inbox number {found}, not to this one");
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

    /// Reads in one snapshot the position of the partition and the rows for the messages behind it; no batch if there
    /// are none.
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

    /// Writes a batch, if the position is still the one that was read.
    pub(super) async fn write(
        &self,
        prepared: &mut Prepared<'_, C>,
        ending: Ending,
    ) -> Result<Committed, ledger::Error> {
        let Prepared { span, batch, works, .. } = prepared;
        let buried: Vec<_> = works.iter().map(|work| work.buried().into_journal()).collect();
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

    /// Reads ahead in the partition that is leased.
    async fn read_ahead(&self, lease: &Lease) -> Vec<Message> {
        self.queue.read_ahead(lease, LIMIT).await.unwrap_or_else(|error| {
            debug!(%error, "cannot read ahead");
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
        self.queue.bury(&letters).await?;
        for letter in &letters {
            // The reason may quote a player's data, so only the dead letter and the debug log have it.
            warn!(id = letter.id, "command moved to dead letters");
            debug!(id = letter.id, reason = letter.reason, "command moved to dead letters");
        }
        self.metrics.buried.increment(letters.len() as u64);
        Ok(())
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

/// The number of these messages at or before the position.
fn applied_before<T>(works: &[Work<T>], position: Position) -> usize {
    works.partition_point(|work| work.message.sequence.0 <= position.sequence)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Commit,
    /// Rolls back; shows whether the database would have refused the batch.
    Rehearsal,
}

/// Messages that were applied in memory, and the span of positions that they cover.
pub(super) struct Prepared<'w, C: Crowd> {
    span: Span,
    batch: C::Batch,
    /// The messages that had not been applied before.
    works: &'w mut [Work<C::Command>],
    /// Number of commands applied.
    applied: usize,
}
