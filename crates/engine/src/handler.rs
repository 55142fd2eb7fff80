//! The handler's loop: receive → decode → load → apply → save → ack, exactly once by position.
//!
//! It knows no crowd: [`Crowd`] defines what a command is and how it is applied. It has no timers but those that
//! renew leases and bound a stop, so a test steps it with [`Handler::step`].

mod batch;
mod buried;
mod crowd;
mod entry;
mod lease_renewer;
mod refusal;
mod settler;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use batch::Work;
pub use buried::Buried;
pub(crate) use buried::LetterKind;
pub use crowd::Crowd;
pub(crate) use entry::decode_entry;
pub use entry::{Arrived, Refusal, decode, partition_of};
use futures_util::future::join_all;
use ledger::{Identity, Ledger};
use queue::{Delivery, Lease, Limit, Queue};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::lease_renewer::LeaseRenewer;
use self::settler::{Job, Settler};
use crate::bounds::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, READ_AHEAD_MAX, RECEIVE_STOP_MAX};
use crate::clock::Clock;
use crate::run::{LoopLog, Repeat, Rest, repeat};

/// The result of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to receive.
    Idle,
    /// A batch was applied, or had been applied before, and was acked.
    Applied {
        messages: usize,
        /// Commands applied now: without those that were buried or had been applied before.
        commands: usize,
    },
    /// The lease was lost, or another handler moved the position: the batch belongs to another handler.
    Lost,
}

/// Why a step failed. The batch is not acked and will be received again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The inbox.
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// The store.
    #[error("the store failed")]
    Store(#[from] ledger::Error),
    /// A message of another inbox: the process must stop.
    #[error("{0}")]
    Foreign(String),
}

impl StepError {
    /// Whether a retry cannot help, so that the process must stop. A refused database login is judged elsewhere.
    fn is_fatal(&self) -> bool {
        match self {
            Self::Foreign(_) => true,
            Self::Store(error) => {
                let may_pass = error.is_transient() || error.is_login_refused();
                !may_pass && !matches!(error, ledger::Error::Refused { .. })
            }
            // Its messages are not those that the store's positions count.
            Self::Queue(queue::Error::Replaced { .. }) => true,
            Self::Queue(_) => false,
        }
    }
}

/// The loop that applies the commands of the inbox. Several may run side by side, each on other partitions.
pub struct Handler<C> {
    queue: Queue,
    clock: Clock,
    renewer: LeaseRenewer,
    settler: Settler<C>,
    /// Batches that were received and are not settled; the inbox may return batches of several partitions. They are
    /// kept over failures, so that an outage does not count as redelivery and keeps the order.
    held: VecDeque<Delivery>,
    /// How many batches of the partition that is held have been read ahead in a row.
    read_ahead: u32,
}

const LIMIT: Limit = Limit { messages_max: BATCH_MESSAGES_MAX, bytes_max: BATCH_BYTES_MAX };

impl<C: Crowd> Handler<C> {
    /// A handler that applies the messages of this inbox for this crowd, whose rows are in the database of this
    /// ledger. A message of another inbox or number of partitions than those of `identity` stops it.
    pub fn new(
        queue: Queue,
        ledger: Ledger,
        crowd: Arc<C>,
        clock: Clock,
        identity: Identity,
        visibility_ms: i64,
    ) -> Self {
        Self {
            renewer: LeaseRenewer::new(queue.clone(), clock.clone(), visibility_ms),
            settler: Settler::new(queue.clone(), ledger, crowd, clock.clone(), identity),
            queue,
            clock,
            held: VecDeque::new(),
            read_ahead: 0,
        }
    }

    /// Receives one batch of one partition, applies and acks it.
    ///
    /// # Errors
    /// [`StepError`]: the batch is not acked. It is held for the next step, unless the error is fatal.
    pub async fn step(&mut self, wait: Duration) -> Result<Step, StepError> {
        self.step_until(wait, &CancellationToken::new()).await
    }

    async fn step_until(&mut self, wait: Duration, stop: &CancellationToken) -> Result<Step, StepError> {
        if self.held.is_empty() {
            self.read_ahead = 0;
            self.held.extend(self.receive(wait, stop).await?);
            self.renewer.begin();
        } else {
            let lost = self.renewer.catch_up(&self.leases()).await;
            if self.drop_lost(&lost) {
                return Ok(Step::Lost);
            }
        }
        let leases = self.leases();
        let Some(Delivery { lease, messages }) = self.held.pop_front() else { return Ok(Step::Idle) };
        let works = match self.settler.read(lease.partition(), messages) {
            Ok(works) => works,
            Err(error) => {
                self.release_all(&leases).await;
                return Err(error);
            }
        };
        // Read once and kept over all attempts: what was read ahead must neither be skipped nor lost, nor grow from
        // failure to failure.
        let next = self.held.pop_front_if(|next| next.lease == lease);
        let ahead = next.map_or_else(Vec::new, |next| next.messages);
        // Bounded, because other partitions wait.
        let may_read_ahead =
            ahead.is_empty() && (self.settler.partitions() == 1 || self.read_ahead < READ_AHEAD_MAX);
        let mut job = Job { lease, works, ahead, may_read_ahead };
        let (step, lost) = self.renewer.run_while_renewing(&leases, self.settler.settle(&mut job)).await;
        let Job { lease, works, ahead, .. } = job;
        match &step {
            Ok(Step::Applied { .. }) if !ahead.is_empty() => {
                self.read_ahead += 1;
                self.held.push_front(Delivery { lease, messages: ahead });
            }
            Ok(_) => {} // settled, or left to whoever has it now
            Err(error) if error.is_fatal() => self.release_all(&leases).await,
            Err(_) => {
                if !ahead.is_empty() {
                    self.held.push_front(Delivery { lease: lease.clone(), messages: ahead });
                }
                let messages = works.into_iter().map(|work| work.message).collect();
                self.held.push_front(Delivery { lease, messages });
            }
        }
        self.drop_lost(&lost);
        step
    }

    /// Receives, but not for long after a stop. The messages of a receive that is cut off come again when their
    /// visibility has run out.
    async fn receive(&self, wait: Duration, stop: &CancellationToken) -> Result<Vec<Delivery>, queue::Error> {
        let patience = async {
            stop.cancelled().await;
            tokio::time::sleep(RECEIVE_STOP_MAX).await;
        };
        tokio::select! {
            received = self.queue.receive(LIMIT, wait) => received,
            () = patience => Ok(Vec::new()),
        }
    }

    /// The leases on the held batches.
    fn leases(&self) -> Vec<Lease> {
        let mut leases: Vec<_> = self.held.iter().map(|batch| batch.lease.clone()).collect();
        // Messages that were read ahead have the lease of the batch before them.
        leases.dedup();
        leases
    }

    /// Drops the batches with these lost leases; their messages are redelivered. Returns whether there were any.
    fn drop_lost(&mut self, lost: &[Lease]) -> bool {
        let before = self.held.len();
        self.held.retain(|batch| !lost.contains(&batch.lease));
        self.held.len() < before
    }

    /// Releases all leases, so that another handler can receive at once.
    async fn release_all(&mut self, leases: &[Lease]) {
        self.held.clear();
        for result in join_all(leases.iter().map(|lease| self.queue.release(lease))).await {
            if let Err(error) = result {
                debug!(%error, "lease not released; it will run out");
            }
        }
    }

    /// Steps until `stop`, with pauses while steps fail.
    ///
    /// # Errors
    /// The error for which the process must end: a message of another inbox, or a broken store.
    pub async fn run(mut self, wait: Duration, stop: CancellationToken) -> Result<(), StepError> {
        let clock = self.clock.clone();
        repeat(&mut Stepping { handler: &mut self, wait, stop: &stop }, &clock, &stop).await?;
        self.release_all(&self.leases()).await;
        Ok(())
    }
}

struct Stepping<'h, C> {
    handler: &'h mut Handler<C>,
    wait: Duration,
    stop: &'h CancellationToken,
}

impl<C: Crowd> Repeat for Stepping<'_, C> {
    type Error = StepError;

    const LOG: LoopLog = LoopLog::every_time("handler step failed, retrying", "handler recovered");

    async fn once(&mut self) -> Result<Rest, StepError> {
        self.handler.step_until(self.wait, self.stop).await.map(|_| Rest::Not)
    }

    /// Renews the leases of the held batches.
    async fn meanwhile(&mut self) {
        loop {
            let leases = self.handler.leases();
            let lost = self.handler.renewer.renew(&leases).await;
            self.handler.drop_lost(&lost);
        }
    }

    fn is_fatal(&self, error: &StepError) -> bool {
        error.is_fatal()
    }
}
