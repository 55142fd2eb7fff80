//! The handler's loop: receive → decode → load → apply → save → ack, exactly once by position.
//!
//! It knows no crowd: what a command is, and what applying it means, is the [`Crowd`]'s business. It has no
//! timers of its own but the one that keeps leases alive, and one that bounds a stop: a test steps it with
//! [`Handler::step`].

mod batch;
mod crowd;
mod entry;
mod lease_renewer;
mod refusal;
mod settler;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use batch::WHOLE;
use batch::Work;
pub(crate) use batch::is_whole;
pub use crowd::Crowd;
pub(crate) use entry::partition_of_entry;
pub use entry::{Arrived, Refusal, decode, partition_of};
use futures_util::future::join_all;
use ledger::{Identity, Ledger};
use queue::{Delivery, Lease, Limit, Queue};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::lease_renewer::LeaseRenewer;
use self::settler::{Job, Settler};
use crate::bounds::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, READ_ON_MAX, RECEIVE_STOP_MS_MAX};
use crate::clock::Clock;
use crate::run::{Repeat, Rest, Told, repeat};

/// What one step of a handler did.
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
    /// The lease ran out, or another handler was faster: the batch is left to whoever has it now.
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
    Store(#[from] ledger::Error),
    /// A message that belongs to another inbox: this process must not go on.
    #[error("{0}")]
    Foreign(String),
}

impl StepError {
    /// Whether trying again cannot help: the process must not go on. What a login that is refused means is judged elsewhere.
    fn is_fatal(&self) -> bool {
        match self {
            Self::Foreign(_) => true,
            Self::Store(error) => {
                let may_pass = error.is_transient() || error.is_login_refused();
                !may_pass && !matches!(error, ledger::Error::Refused { .. })
            }
            // What is taken from there is not what the store counts by.
            Self::Queue(queue::Error::Replaced { .. }) => true,
            Self::Queue(_) => false,
        }
    }
}

/// The loop that applies what is in the inbox. Several may work side by side, each on other partitions.
pub struct Handler<C> {
    queue: Queue,
    clock: Clock,
    renewer: LeaseRenewer,
    settler: Settler<C>,
    /// What was received, or read on, and is not settled yet; the inbox may give batches of several partitions at once.
    /// Kept over failures, so that an outage neither counts as receiving again and again nor lets go of the order.
    held: VecDeque<Delivery>,
    /// How many batches of the partition that is held have been read on in a row.
    read_on: u32,
}

const LIMIT: Limit = Limit { messages_max: BATCH_MESSAGES_MAX, bytes_max: BATCH_BYTES_MAX };

impl<C: Crowd> Handler<C> {
    /// A handler that takes from this inbox for this crowd, whose rows stand in the database of this ledger. Messages
    /// of another inbox than `identity` says, or of another number of partitions, stop it.
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
            read_on: 0,
        }
    }

    /// Takes one batch of one partition through all of it.
    ///
    /// # Errors
    /// [`StepError`]: nothing of the batch was acked; it is held, and the next step begins with it, unless this process
    /// must not go on.
    pub async fn step(&mut self, wait: Duration) -> Result<Step, StepError> {
        self.step_until(wait, &CancellationToken::new()).await
    }

    async fn step_until(&mut self, wait: Duration, stop: &CancellationToken) -> Result<Step, StepError> {
        if self.held.is_empty() {
            self.read_on = 0;
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
                self.let_go(&leases).await;
                return Err(error);
            }
        };
        // Read once and kept over all attempts: what was read on comes after this batch and must neither be skipped nor
        // lost; nor does it grow from failure to failure.
        let next = self.held.pop_front_if(|next| next.lease == lease);
        let ahead = next.map_or_else(Vec::new, |next| next.messages);
        // Not for ever while other partitions wait.
        let may_read_on = ahead.is_empty() && (self.settler.partitions() == 1 || self.read_on < READ_ON_MAX);
        let mut job = Job { lease, works, ahead, may_read_on };
        let (step, lost) = self.renewer.run_while_renewing(&leases, self.settler.settle(&mut job)).await;
        let Job { lease, works, ahead, .. } = job;
        match &step {
            Ok(Step::Applied { .. }) if !ahead.is_empty() => {
                self.read_on += 1;
                self.held.push_front(Delivery { lease, messages: ahead });
            }
            Ok(_) => {} // settled, or left to whoever has it now
            Err(error) if error.is_fatal() => self.let_go(&leases).await,
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

    /// Receives, but does not wait for long after a stop. What a receive that is given up was about to bring comes again
    /// when its visibility has run out.
    async fn receive(&self, wait: Duration, stop: &CancellationToken) -> Result<Vec<Delivery>, queue::Error> {
        let patience = async {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_millis(RECEIVE_STOP_MS_MAX)).await;
        };
        tokio::select! {
            received = self.queue.receive(LIMIT, wait) => received,
            () = patience => Ok(Vec::new()),
        }
    }

    /// The leases on what is held.
    fn leases(&self) -> Vec<Lease> {
        let mut leases: Vec<_> = self.held.iter().map(|batch| batch.lease.clone()).collect();
        // What was read on stands behind its batch, under the same lease.
        leases.dedup();
        leases
    }

    /// Drops what was held under these leases: it comes again, to whoever receives it. Says whether there was any.
    fn drop_lost(&mut self, lost: &[Lease]) -> bool {
        let before = self.held.len();
        self.held.retain(|batch| !lost.contains(&batch.lease));
        self.held.len() < before
    }

    /// Gives everything back, at once, for whoever comes next.
    async fn let_go(&mut self, leases: &[Lease]) {
        self.held.clear();
        for result in join_all(leases.iter().map(|lease| self.queue.release(lease))).await {
            if let Err(error) = result {
                debug!(%error, "cannot give a partition back; its visibility will run out");
            }
        }
    }

    /// Steps until `stop`. Pauses while something fails; returns an error only when it must not go on.
    ///
    /// # Errors
    /// The reason to end the process: a message of another inbox, or a store that is broken.
    pub async fn run(mut self, wait: Duration, stop: CancellationToken) -> Result<(), StepError> {
        let clock = self.clock.clone();
        repeat(&mut Stepping { handler: &mut self, wait, stop: &stop }, &clock, &stop).await?;
        self.let_go(&self.leases()).await;
        Ok(())
    }
}

/// A handler at work.
struct Stepping<'h, C> {
    handler: &'h mut Handler<C>,
    /// How long a receive waits.
    wait: Duration,
    stop: &'h CancellationToken,
}

impl<C: Crowd> Repeat for Stepping<'_, C> {
    type Error = StepError;

    const TOLD: Told = Told::every_time("the writer tries again", "the writer works again");

    async fn once(&mut self) -> Result<Rest, StepError> {
        self.handler.step_until(self.wait, self.stop).await.map(|_| Rest::Not)
    }

    /// What is held stays held.
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
