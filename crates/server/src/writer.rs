//! The writer loop: receive → decode → prefetch → apply → commit → ack, exactly once by position.
//!
//! It knows nothing of the game: what a command is, and what applying it means, is the [`Crowd`]'s business. It has no
//! timers of its own but the one that keeps a lease alive: a test steps it with [`Writer::step`].

mod batch;
mod crowd;
mod refusal;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use batch::is_whole;
pub use batch::{Arrived, WHOLE, Work};
pub use crowd::Crowd;
use metrics::{Counter, Histogram, counter, histogram};
use queue::{Batch, Lease, Limit, Message, Queue};
use store::{Committed, Position};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::bounds::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, FENCED_TRIES_MAX, POISON_TRIES_MAX, READ_ON_MAX};
use crate::clock::{Clock, Stopwatch, backoff};

/// What one step of the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing was there to receive.
    Idle,
    /// A batch was applied, or found applied, and acked.
    Applied {
        /// Messages in it.
        messages: usize,
        /// Commands applied, without those that were buried or had been applied before.
        commands: usize,
    },
    /// The lease ran out, or another writer was faster: the batch is left to whoever has it now.
    Lost,
}

/// Why a step failed. What was received is not acked and comes again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The inbox.
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// The store.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// A message that belongs to another game: this process must not go on.
    #[error("{0}")]
    Foreign(String),
}

impl StepError {
    /// Whether trying again cannot help: the process must not go on.
    fn is_fatal(&self) -> bool {
        match self {
            Self::Foreign(_) => true,
            Self::Store(error) => !error.is_transient() && !matches!(error, store::Error::Refused { .. }),
            Self::Queue(_) => false,
        }
    }
}

/// Who this writer is to messages: those of another inbox, or of another number of partitions, stop it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The inbox's id.
    pub inbox_id: String,
    /// The inbox's generation in the store.
    pub generation: u32,
    /// The number of partitions.
    pub partitions: u16,
}

/// One loop of the handler. Several may work side by side, each on other partitions.
pub struct Writer<C> {
    queue: Queue,
    crowd: Arc<C>,
    clock: Clock,
    identity: Identity,
    visibility_ms: i64,
    /// What was received, or read on, and is not settled yet. Kept over failures, so that an outage neither counts as
    /// receiving again and again nor lets go of the order.
    held: VecDeque<Batch>,
    /// How many batches of the partition that is held have been read on in a row.
    read_on: u32,
    /// How often in a row the store has refused what is held first.
    refused: u32,
    /// Whether the last step failed: leases may have run out during the pause after it.
    failed: bool,
    metrics: Metrics,
}

struct Metrics {
    commands_size: Histogram,
    commit_seconds: Histogram,
    lag_seconds: Histogram,
    buried: Counter,
}

const LIMIT: Limit = Limit { messages_max: BATCH_MESSAGES_MAX, bytes_max: BATCH_BYTES_MAX };

impl<C: Crowd> Writer<C> {
    /// A writer that takes from this inbox for this crowd.
    pub fn new(queue: Queue, crowd: Arc<C>, clock: Clock, identity: Identity, visibility_ms: i64) -> Self {
        let metrics = Metrics {
            commands_size: histogram!("buttonparty_apply_commands_size"),
            commit_seconds: histogram!("buttonparty_commit_seconds"),
            lag_seconds: histogram!("buttonparty_apply_lag_seconds"),
            buried: counter!("buttonparty_buried_total"),
        };
        Self {
            queue,
            crowd,
            clock,
            identity,
            visibility_ms,
            held: VecDeque::new(),
            read_on: 0,
            refused: 0,
            failed: false,
            metrics,
        }
    }

    /// Takes one batch of one partition through all of it.
    ///
    /// # Errors
    /// [`StepError`]: nothing of the batch was acked; it is held, and the next step begins with it.
    pub async fn step(&mut self, wait: Duration) -> Result<Step, StepError> {
        if self.held.is_empty() {
            self.read_on = 0;
            self.held.extend(self.queue.receive(LIMIT, wait).await?);
        }
        let Some(Batch { lease, messages }) = self.held.pop_front() else { return Ok(Step::Idle) };
        let read = batch::read_all(&*self.crowd, &self.identity, lease.partition(), messages);
        let mut works = match read {
            Ok(works) => works,
            Err(error) => {
                self.give_back(&lease).await;
                return Err(error);
            }
        };
        // Read once and kept over all attempts: what was read on comes after this batch and must neither be skipped nor
        // lost; nor does it grow from failure to failure.
        let next = self.held.pop_front_if(|next| next.lease.partition() == lease.partition());
        let mut ahead = next.map_or_else(Vec::new, |next| next.messages);
        let step = self.settle(&lease, &mut works, &mut ahead).await;
        self.failed = step.is_err();
        match &step {
            Ok(Step::Applied { .. }) if !ahead.is_empty() => {
                self.read_on += 1;
                self.held.push_front(Batch { lease, messages: ahead });
            }
            Ok(_) => {} // settled, or left to whoever has it now
            Err(error) if error.is_fatal() => self.give_back(&lease).await,
            Err(_) => {
                if !ahead.is_empty() {
                    self.held.push_front(Batch { lease: lease.clone(), messages: ahead });
                }
                let messages = works.into_iter().map(|work| work.message).collect();
                self.held.push_front(Batch { lease, messages });
            }
        }
        step
    }

    async fn give_back(&self, lease: &Lease) {
        if let Err(error) = self.queue.release(lease).await {
            debug!(%error, "cannot give a partition back; its visibility will run out");
        }
    }

    /// Steps until `stop`. Backs off while something fails; returns an error only when it must not go on.
    ///
    /// # Errors
    /// The reason to end the process: a message of another game, or a store that is broken.
    pub async fn run(mut self, wait: Duration, stop: CancellationToken) -> Result<(), StepError> {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.step(wait).await {
                Ok(_) => failures = 0,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    warn!(error = fetch::chain(&error), failures, "the writer tries again");
                    let _ = stop.run_until_cancelled(tokio::time::sleep(backoff(failures))).await;
                    failures += 1;
                }
            }
        }
        for batch in &self.held {
            self.give_back(&batch.lease).await;
        }
        Ok(())
    }

    async fn settle(
        &mut self,
        lease: &Lease,
        works: &mut [Work<C::Command>],
        ahead: &mut Vec<Message>,
    ) -> Result<Step, StepError> {
        if self.failed {
            match self.queue.extend(lease).await {
                Err(queue::Error::LeaseLost) => return Ok(Step::Lost),
                result => result?,
            }
        }
        let result = self.attempt(lease, works, ahead).await;
        // Only what the store refuses for what it is counts towards burying, never what it cannot do just now.
        let Err(StepError::Store(store::Error::Refused { .. })) = &result else {
            self.refused = 0;
            return result;
        };
        self.refused += 1;
        if self.refused < POISON_TRIES_MAX {
            return result;
        }
        keep_alive(&self.queue, lease, self.visibility_ms, self.find_refused(lease.partition(), works))
            .await?;
        let result = self.attempt(lease, works, ahead).await;
        self.refused = 0;
        result
    }

    /// Prefetch, apply, commit and ack, again from the start when another writer moved the position meanwhile.
    async fn attempt(
        &self,
        lease: &Lease,
        works: &mut [Work<C::Command>],
        ahead: &mut Vec<Message>,
    ) -> Result<Step, StepError> {
        for _ in 0..FENCED_TRIES_MAX {
            let once = self.once(lease, works, ahead);
            if let Some(step) = keep_alive(&self.queue, lease, self.visibility_ms, once).await? {
                return Ok(step);
            }
        }
        self.queue.release(lease).await?;
        Ok(Step::Lost)
    }

    /// One attempt; `None` when it was fenced off.
    async fn once(
        &self,
        lease: &Lease,
        works: &mut [Work<C::Command>],
        ahead: &mut Vec<Message>,
    ) -> Result<Option<Step>, StepError> {
        let partition = lease.partition();
        let Some(last) = works.last().map(|work| work.message.sequence) else { return Ok(Some(Step::Idle)) };
        let Prepared { from, to, batch, works, applied } = self.prepare(partition, works).await?;
        if !works.is_empty() {
            self.bury(works).await?;
            let buried: Vec<_> = works.iter().map(Work::buried_indices).collect();
            let journal = batch::journal(works, &buried);
            let watch = Stopwatch::start();
            let commit = self.crowd.commit(partition, &batch, from, to, &journal);
            let (committed, ()) = tokio::join!(commit, self.read_on(lease, ahead));
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
    async fn prepare<'w>(
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

    /// Reads on in the partition that is held, once for each batch, but not for ever while others wait.
    async fn read_on(&self, lease: &Lease, ahead: &mut Vec<Message>) {
        if !ahead.is_empty() || self.identity.partitions > 1 && self.read_on >= READ_ON_MAX {
            return;
        }
        match self.queue.read_on(lease, LIMIT).await {
            Ok(messages) => *ahead = messages,
            Err(error) => debug!(%error, "cannot read on"),
        }
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
struct Prepared<'w, C: Crowd> {
    from: Position,
    to: Position,
    batch: C::Batch,
    /// Those that had not been applied before.
    works: &'w mut [Work<C::Command>],
    /// Commands applied.
    applied: usize,
}

/// Extends the lease again and again while the work goes on, so that a slow commit does not lose it. Both are polled all
/// the time: the extension may have to wait for a lock that the work holds.
async fn keep_alive<T>(
    queue: &Queue,
    lease: &Lease,
    visibility_ms: i64,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let every = Duration::from_millis(u64::try_from(visibility_ms / 3).unwrap_or(1).max(1));
    let extending = async {
        loop {
            tokio::time::sleep(every).await;
            // A lost lease harms nothing: the position decides who commits.
            if let Err(error) = queue.extend(lease).await {
                debug!(%error, "cannot extend a lease");
            }
        }
    };
    tokio::select! {
        result = work => result,
        never = extending => never,
    }
}
