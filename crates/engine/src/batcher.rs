//! The batcher: gathers the commands that arrive while the previous send is in flight, and sends them as few messages.
//! Natural group commit: at low load nothing waits, at high load one send carries hundreds of commands.
//!
//! Order holds because of each partition one send is in flight at a time, and nothing new of it is sent while the fate of
//! anything in it is open: an envelope whose answer was lost is sent again under its id, which the inbox knows if it has
//! it, and before any later one of its partition. One that fails for good takes those behind it in the same send along;
//! all their senders are told so, and what comes later goes on. Whoever waits is answered in time: an envelope that is too
//! old is not sent again, and no try goes on for longer than the oldest envelope in it has left.
//!
//! Partitions share a send until one of them fails; then each is sent again for itself, so that one that goes on failing
//! holds up nobody else. Those that are not in a send which takes long begin another one.
//!
//! It knows no crowd: a command is a partition, a time and the text of its payload. It has no timers but the bound on a
//! try: a test steps it with [`Batcher::flush`].

mod lanes;

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
use crate::bounds::{PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, TRY_MS_MIN};
use crate::chain;
use crate::clock::{Clock, Stopwatch};

/// How a batcher works.
#[derive(Debug, Clone)]
pub struct BatcherOptions {
    /// Number of partitions of the inbox.
    pub partitions: u16,
    /// Most bytes of one message.
    pub envelope_bytes_max: usize,
    /// Begins the ids of its envelopes; unique for each start of a process.
    pub node: String,
    /// How long after an envelope was begun everybody who waits for it is answered at the latest, in milliseconds.
    pub resend_ms_max: i64,
}

/// The batcher holds as many commands as it may; nothing was taken.
#[derive(Debug, thiserror::Error)]
#[error("too many commands are waiting for the inbox")]
pub struct Overloaded;

/// A command that was taken, but is not durable yet.
#[derive(Debug)]
pub struct Ticket {
    /// The id that the command has.
    pub id: String,
    /// Says whether it is durable, as soon as that is known.
    pub durable: oneshot::Receiver<bool>,
}

/// What a flush did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// There was nothing to send.
    Nothing,
    /// Something was sent, and everybody who waited for it was told.
    Sent,
    /// Some of it must be sent again, after a pause.
    Again,
}

/// The batcher of one ingest process.
pub struct Batcher {
    queue: Queue,
    clock: Clock,
    options: BatcherOptions,
    lanes: Mutex<Lanes>,
    wake: Notify,
    waiting: Gauge,
    send_seconds: Histogram,
    envelope_size: Histogram,
    envelope_bytes: Counter,
    send_size: Histogram,
}

impl Batcher {
    /// A batcher that sends to this inbox.
    pub fn new(queue: Queue, clock: Clock, options: BatcherOptions) -> Self {
        Self {
            queue,
            lanes: Mutex::new(Lanes::new(options.partitions, &clock)),
            clock,
            options,
            wake: Notify::new(),
            waiting: gauge!("buttonparty_ingest_waiting_commands"),
            send_seconds: histogram!("buttonparty_send_seconds"),
            envelope_size: histogram!("buttonparty_envelope_commands_size"),
            envelope_bytes: counter!("buttonparty_envelope_bytes_total"),
            send_size: histogram!("buttonparty_send_envelopes_size"),
        }
    }

    /// Takes a command; the ticket says when it is durable.
    ///
    /// # Errors
    /// [`Overloaded`] when too many are waiting; then nothing was taken.
    pub fn submit(&self, partition: u16, arrived_at_ms: i64, payload: &[u8]) -> Result<Ticket, Overloaded> {
        let (told, durable) = oneshot::channel();
        let mut lanes = self.lanes.lock();
        if lanes.commands >= PENDING_COMMANDS_MAX || lanes.bytes + payload.len() > PENDING_BYTES_MAX {
            return Err(Overloaded);
        }
        let entry = New { partition, arrived_at_ms, payload, told };
        let id = lanes.push(&self.options, &self.clock, self.queue.inbox_id(), entry)?;
        drop(lanes);
        self.wake.notify_one();
        Ok(Ticket { id, durable })
    }

    /// Sends what has gathered, or again what could not be sent, pauses or not, and tells everybody whose fate is known.
    /// One step at a time, for tests and tools; a process calls [`run`](Self::run).
    pub async fn flush(&self) -> Flushed {
        let mut rounds = Vec::new();
        {
            let mut lanes = self.lanes.lock();
            rounds.extend(lanes.take_new(self.clock.elapsed_ms()));
            while let Some(round) = lanes.take_again(i64::MAX) {
                rounds.push(round);
            }
        }
        if rounds.is_empty() {
            return Flushed::Nothing;
        }
        let rounds = rounds.into_iter().map(|round| InFlight { batcher: self, round });
        let all_told = join_all(rounds.map(|round| self.send(round))).await;
        if all_told.into_iter().all(|all_told| all_told) { Flushed::Sent } else { Flushed::Again }
    }

    /// Sends these envelopes, and tells everybody whose fate is known; whether that is everybody.
    async fn send(&self, mut in_flight: InFlight<'_>) -> bool {
        let round = &mut in_flight.round;
        if round.tries == 0 {
            for envelope in &round.envelopes {
                self.envelope_size.record(envelope.waiters.tell.len() as f64);
                self.envelope_bytes.increment(envelope.outgoing.body.len() as u64);
            }
        }
        let envelopes = std::mem::take(&mut round.envelopes);
        // One try has one bound. An envelope whose time is nearly up must not cut off the try of the others.
        let longest = envelopes.iter().map(|closed| self.left(closed.since_ms)).max().unwrap_or_default();
        let try_min = Duration::from_millis(TRY_MS_MIN);
        let least = if longest >= try_min { try_min } else { Duration::from_millis(1) };
        let (timely, late): (Vec<_>, Vec<_>) =
            envelopes.into_iter().partition(|closed| self.left(closed.since_ms) >= least);
        for closed in late {
            self.give_up(&closed.outgoing, closed.waiters, "it has waited for too long");
        }
        let Some(left) = timely.iter().map(|closed| self.left(closed.since_ms)).min() else { return true };
        let (outgoing, rest): (Vec<_>, Vec<_>) =
            timely.into_iter().map(|closed| (closed.outgoing, (closed.waiters, closed.since_ms))).unzip();
        let watch = Stopwatch::start();
        // What is cut off may be in the inbox or not, as when the answer of a service was lost.
        let results =
            tokio::time::timeout(left, self.queue.send(&outgoing)).await.unwrap_or_else(|elapsed| {
                vec![Err(queue::Error::Unanswered { source: Arc::new(elapsed) }); outgoing.len()]
            });
        self.send_seconds.record(watch.seconds());
        self.send_size.record(outgoing.len() as f64);
        for ((outgoing, (waiters, since_ms)), result) in outgoing.into_iter().zip(rest).zip(results) {
            match result {
                Ok(()) => self.tell(waiters, true),
                Err(error) if error.is_transient() && !self.left(since_ms).is_zero() => {
                    warn!(envelope = outgoing.id, %error, tries = round.tries, "sending an envelope again");
                    round.envelopes.push(Closed { outgoing, waiters, since_ms });
                }
                Err(error) => self.give_up(&outgoing, waiters, &chain(&error)),
            }
        }
        round.envelopes.is_empty()
    }

    /// How long an envelope that was begun then may still be on its way.
    fn left(&self, since_ms: i64) -> Duration {
        let left_ms = since_ms + self.options.resend_ms_max - self.clock.elapsed_ms();
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
    }

    /// Tells everybody who waits for an envelope that it is not durable.
    fn give_up(&self, outgoing: &Outgoing, waiters: Waiters, error: &str) {
        let commands = waiters.tell.len();
        error!(envelope = outgoing.id, commands, error, "the inbox does not take commands");
        self.tell(waiters, false);
    }

    /// Sends whatever has gathered, until `stop`; then until nothing is left.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sends = FuturesUnordered::new();
        loop {
            // Requests that are ready by now join the batch, at the price of one turn of the runtime.
            tokio::task::yield_now().await;
            // One reading of the time for both: what is due by the one must not be over by the other.
            let elapsed_ms = self.clock.elapsed_ms();
            loop {
                let next = self.lanes.lock().next(sends.len(), elapsed_ms);
                let Some(round) = next else { break };
                sends.push(self.send(InFlight { batcher: &self, round }));
            }
            if sends.is_empty() && self.lanes.lock().commands == 0 {
                self.waiting.set(0.0);
                if stop.run_until_cancelled(self.wake.notified()).await.is_none()
                    && self.lanes.lock().commands == 0
                {
                    return;
                }
                self.waiting.set(self.lanes.lock().commands as f64);
                continue;
            }
            let (due, gathers) = self.lanes.lock().due(elapsed_ms);
            tokio::select! {
                Some(_) = sends.next() => {}
                () = self.wake.notified(), if !gathers => {}
                () = self.clock.pause(due) => {}
            }
        }
    }

    /// Tells what became of an envelope; from now on there is room for others.
    fn tell(&self, waiters: Waiters, durable: bool) {
        let mut lanes = self.lanes.lock();
        lanes.commands -= waiters.tell.len();
        lanes.bytes -= waiters.payload_bytes;
        drop(lanes);
        for waiter in waiters.tell {
            // Nobody listens when the phone hung up; the command counts all the same.
            let _ = waiter.send(durable);
        }
    }
}

/// A round on its way. However its send ends, its partitions are free for the next one.
struct InFlight<'b> {
    batcher: &'b Batcher,
    round: Round,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let (batcher, round) = (self.batcher, std::mem::take(&mut self.round));
        let left = |since_ms| batcher.left(since_ms);
        batcher.lanes.lock().finish(round, left, batcher.clock.elapsed_ms());
    }
}
