//! The batcher: collects the commands that arrive while the previous send is in flight, and sends them in few
//! messages. This is natural group commit: at low load nothing waits, at high load one send carries hundreds of
//! commands.
//!
//! Order: a partition has one send in flight at a time. While the result of any of its envelopes is unknown, nothing
//! newer of that partition is sent. An envelope without an answer is sent again under the same id before any later
//! one, and the inbox ignores it if it has it. If the inbox refuses an envelope, it may refuse those behind it in the
//! same send too; later ones are sent. Every sender is answered in time: an envelope that is too old is not sent again, and a
//! try ends when the time of its oldest envelope is up.
//!
//! Isolation: partitions share a send, and each of them finishes as soon as the inbox has answered for it. A
//! partition that fails is retried alone. When the latest send is slow, the partitions that are not in flight begin
//! another one. So a partition that fails or hangs delays the others of its first send by about a second, by up to five
//! while the inbox is slow for all of them, and later sends not at all. It may use at most half of the bounds on pending commands.
//!
//! The batcher knows no crowd: a command is a partition, a time and a payload. It has no timers but the timeout of a
//! try, so a test steps it with [`Batcher::flush`].

mod lanes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::Mutex;
use queue::{Outgoing, Queue};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::lanes::{Closed, Lanes, New, Round, Waiters};
use crate::bounds::TRY_TIME_MIN;
use crate::chain;
use crate::clock::{Clock, Stopwatch};
use crate::metrics::{ENVELOPE_BYTES, ENVELOPE_COMMANDS, SEND_ENVELOPES, SEND_SECONDS, WAITING_COMMANDS};

/// Options of a batcher.
#[derive(Debug, Clone)]
pub struct BatcherOptions {
    pub partitions: u16,
    pub envelope_bytes_max: usize,
    /// Prefix of the envelope ids; unique for each start of a process.
    pub node: String,
    /// The age of an envelope, in milliseconds, at which everybody who waits for it has been answered.
    pub resend_ms_max: i64,
}

/// The batcher is full; the command was not taken.
#[derive(Debug, thiserror::Error)]
#[error("too many commands are waiting for the inbox")]
pub struct Overloaded;

/// A command that was taken, but is not durable yet.
#[derive(Debug)]
pub struct Ticket {
    pub id: String,
    /// Resolves to whether the command is durable, as soon as that is known.
    pub durable: oneshot::Receiver<bool>,
}

/// The result of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// There was nothing to send.
    Nothing,
    /// Everything was sent, and every sender was answered.
    Sent,
    /// Some envelopes must be retried after a pause.
    Retry,
}

/// The batcher of one ingest process.
pub struct Batcher {
    queue: Queue,
    clock: Clock,
    options: BatcherOptions,
    lanes: Mutex<Lanes>,
    /// A command was submitted.
    wake: Notify,
    /// Notified when a partition finishes before its send does.
    freed: Notify,
    waiting: Gauge,
    send_seconds: Histogram,
    envelope_size: Histogram,
    envelope_bytes: Counter,
    send_size: Histogram,
}

impl Batcher {
    pub fn new(queue: Queue, clock: Clock, options: BatcherOptions) -> Self {
        Self {
            queue,
            lanes: Mutex::new(Lanes::new(options.partitions, &clock)),
            clock,
            options,
            wake: Notify::new(),
            freed: Notify::new(),
            waiting: gauge!(WAITING_COMMANDS),
            send_seconds: histogram!(SEND_SECONDS),
            envelope_size: histogram!(ENVELOPE_COMMANDS),
            envelope_bytes: counter!(ENVELOPE_BYTES),
            send_size: histogram!(SEND_ENVELOPES),
        }
    }

    /// Takes a command; the ticket resolves when it is durable.
    ///
    /// # Errors
    /// [`Overloaded`] when too many commands are pending; then the command was not taken.
    pub fn submit(&self, partition: u16, arrived_at_ms: i64, payload: &[u8]) -> Result<Ticket, Overloaded> {
        let (sender, durable) = oneshot::channel();
        let mut lanes = self.lanes.lock();
        let entry = New { partition, arrived_at_ms, payload, durable: sender };
        let id = lanes.push(&self.options, &self.clock, self.queue.inbox_id(), entry)?;
        drop(lanes);
        self.wake.notify_one();
        Ok(Ticket { id, durable })
    }

    /// Sends everything that is pending, retries included, whether their pauses are over or not. This is one step,
    /// for tests and tools; a process calls [`run`](Self::run).
    pub async fn flush(&self) -> Flushed {
        let mut rounds = Vec::new();
        {
            let mut lanes = self.lanes.lock();
            rounds.extend(lanes.take_new(self.clock.elapsed_ms()));
            while let Some(round) = lanes.take_retry(i64::MAX) {
                rounds.push(round);
            }
        }
        if rounds.is_empty() {
            return Flushed::Nothing;
        }
        let all_settled = join_all(rounds.into_iter().map(|round| self.send(round))).await;
        if all_settled.into_iter().all(|all_settled| all_settled) { Flushed::Sent } else { Flushed::Retry }
    }

    /// Sends these envelopes and answers those who wait for them. Returns `false` if some must be retried.
    async fn send(&self, round: Round) -> bool {
        let Round { envelopes, tries, .. } = round;
        if tries == 0 {
            for envelope in &envelopes {
                self.envelope_size.record(envelope.waiters.senders.len() as f64);
                self.envelope_bytes.increment(envelope.outgoing.body.len() as u64);
            }
        }
        let mut in_flight = InFlight::new(self, round.partitions, round.number, tries);
        // A try has one timeout for all its envelopes: the time left of the oldest. An envelope with too little time
        // left would cut the others off, so it is given up instead.
        let longest = envelopes.iter().map(|closed| self.left(closed.since_ms)).max().unwrap_or_default();
        let least = if longest >= TRY_TIME_MIN { TRY_TIME_MIN } else { Duration::from_millis(1) };
        let (timely, late): (Vec<_>, Vec<_>) =
            envelopes.into_iter().partition(|closed| self.left(closed.since_ms) >= least);
        for closed in late {
            self.give_up(&closed.outgoing, closed.waiters, "it has waited for too long");
        }
        let Some(left) = timely.iter().map(|closed| self.left(closed.since_ms)).min() else { return true };
        let mut outgoing = Vec::with_capacity(timely.len());
        for Closed { outgoing: message, waiters, since_ms } in timely {
            in_flight.expect(message.partition, waiters, since_ms);
            outgoing.push(message);
        }
        in_flight.finish_empty();
        let watch = Stopwatch::start();
        let sending = self.queue.send_each(&outgoing, |index, result| {
            in_flight.settle(index, &outgoing[index], result);
        });
        // A send that timed out may have reached the inbox.
        if let Err(elapsed) = tokio::time::timeout(left, sending).await {
            let error = queue::Error::Unanswered { source: Arc::new(elapsed) };
            for (index, outgoing) in outgoing.iter().enumerate() {
                in_flight.settle(index, outgoing, Err(error.clone()));
            }
        }
        self.send_seconds.record(watch.seconds());
        self.send_size.record(outgoing.len() as f64);
        in_flight.all_settled
    }

    /// The time left of an envelope that was begun then.
    fn left(&self, since_ms: i64) -> Duration {
        let left_ms = since_ms + self.options.resend_ms_max - self.clock.elapsed_ms();
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
    }

    /// Answers that an envelope is not durable.
    fn give_up(&self, outgoing: &Outgoing, waiters: Waiters, error: &str) {
        let commands = waiters.senders.len();
        error!(envelope = outgoing.id, commands, error, "envelope given up: its commands are not durable");
        self.tell(outgoing.partition, waiters, false);
    }

    /// Sends until `stop`, and then until nothing is pending.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sends = FuturesUnordered::new();
        loop {
            // Requests that are ready now join this batch; this costs one turn of the runtime.
            tokio::task::yield_now().await;
            // Both use one reading of the clock, so that they agree on what is due.
            let elapsed_ms = self.clock.elapsed_ms();
            loop {
                let next = self.lanes.lock().next(sends.len(), elapsed_ms);
                let Some(round) = next else { break };
                sends.push(self.send(round));
            }
            if sends.is_empty() && self.lanes.lock().pending_commands() == 0 {
                self.waiting.set(0.0);
                if stop.run_until_cancelled(self.wake.notified()).await.is_none()
                    && self.lanes.lock().pending_commands() == 0
                {
                    return;
                }
                self.waiting.set(self.lanes.lock().pending_commands() as f64);
                continue;
            }
            let (due, gathers) = self.lanes.lock().due(elapsed_ms);
            self.waiting.set(self.lanes.lock().pending_commands() as f64);
            tokio::select! {
                Some(_) = sends.next() => {}
                () = self.wake.notified(), if !gathers => {}
                () = self.freed.notified() => {}
                () = self.clock.pause(due) => {}
            }
        }
    }

    /// Answers those who wait for an envelope, and frees its room.
    fn tell(&self, partition: u16, waiters: Waiters, durable: bool) {
        self.lanes.lock().release(partition, waiters.senders.len(), waiters.payload_bytes);
        for waiter in waiters.senders {
            // The receiver is gone if the client hung up; the command counts all the same.
            let _ = waiter.send(durable);
        }
    }
}

/// A send in flight. Dropping it frees its partitions for the next send.
struct InFlight<'b> {
    batcher: &'b Batcher,
    tries: u32,
    number: Option<u64>,
    /// The partitions that are not finished.
    parts: BTreeMap<u16, Part>,
    /// For each envelope, its waiting callers and start time; `None` once it has a result.
    waiting: Vec<Option<(Waiters, i64)>>,
    /// No envelope must be retried.
    all_settled: bool,
}

/// The part of a send that belongs to one partition.
#[derive(Default)]
struct Part {
    /// Number of envelopes without a result.
    open: usize,
    /// Envelopes to retry, in order.
    unsettled: Vec<Closed>,
}

impl<'b> InFlight<'b> {
    fn new(batcher: &'b Batcher, partitions: Vec<u16>, number: Option<u64>, tries: u32) -> Self {
        let parts = partitions.into_iter().map(|partition| (partition, Part::default())).collect();
        Self { batcher, tries, number, parts, waiting: Vec::new(), all_settled: true }
    }

    /// Registers the next envelope of the send.
    fn expect(&mut self, partition: u16, waiters: Waiters, since_ms: i64) {
        self.parts.entry(partition).or_default().open += 1;
        self.waiting.push(Some((waiters, since_ms)));
    }

    /// Takes the result of the envelope with this index. The last result of a partition finishes it.
    fn settle(&mut self, index: usize, outgoing: &Outgoing, result: Result<(), queue::Error>) {
        let Some((waiters, since_ms)) = self.waiting.get_mut(index).and_then(Option::take) else { return };
        let part = self.parts.entry(outgoing.partition).or_default();
        part.open -= 1;
        match result {
            Ok(()) => self.batcher.tell(outgoing.partition, waiters, true),
            Err(error) if error.is_transient() && !self.batcher.left(since_ms).is_zero() => {
                warn!(envelope = outgoing.id, %error, tries = self.tries, "envelope not sent, retrying");
                part.unsettled.push(Closed { outgoing: outgoing.clone(), waiters, since_ms });
                self.all_settled = false;
            }
            Err(error) => self.batcher.give_up(outgoing, waiters, &chain(&error)),
        }
        if part.open == 0 {
            self.finish(outgoing.partition);
            if !self.parts.is_empty() {
                self.batcher.freed.notify_one();
            }
        }
    }

    /// Finishes the partitions whose envelopes were all given up.
    fn finish_empty(&mut self) {
        let empty: Vec<_> =
            self.parts.iter().filter(|(_, part)| part.open == 0).map(|(partition, _)| *partition).collect();
        empty.into_iter().for_each(|partition| self.finish(partition));
    }

    fn finish(&mut self, partition: u16) {
        let Some(Part { unsettled, .. }) = self.parts.remove(&partition) else { return };
        let batcher = self.batcher;
        let left = |since_ms| batcher.left(since_ms);
        batcher.lanes.lock().finish(partition, unsettled, left, batcher.clock.elapsed_ms());
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        while let Some((&partition, _)) = self.parts.first_key_value() {
            self.finish(partition);
        }
        self.batcher.lanes.lock().end_round(self.number);
    }
}
