//! The batcher: gathers the commands that arrive while the previous send is in flight, and sends them as few messages.
//! Natural group commit: at low load nothing waits, at high load one send carries hundreds of commands.
//!
//! Order holds because one send is in flight at a time, and nothing new is sent while the fate of anything in it is
//! open: an envelope whose answer was lost is sent again under its id, which the inbox knows if it has it, and before any
//! later one of its partition. One that fails for good takes those behind it in the same send along; all their senders
//! are told so, and what comes later goes on. Whoever waits is answered in time: an envelope that is too old is not sent
//! again, and no try goes on for longer than the oldest envelope in it has left.
//!
//! It knows no crowd: a command is a partition, a time and the text of its payload. It has no timers but
//! the bound on a try: a test steps it with [`Batcher::flush`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::Mutex;
use queue::{Outgoing, Queue};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::bounds::{BACKOFF_MS, PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, TRY_MS_MIN};
use crate::chain;
use crate::clock::{Clock, Stopwatch};
use crate::envelope::{EnvelopeBuilder, entry_id};
use crate::run::Backoff;

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

/// Ingest holds as many commands as it may; nothing was taken.
#[derive(Debug)]
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

struct Building {
    partition: u16,
    id: String,
    builder: EnvelopeBuilder,
    waiters: Waiters,
    since_ms: i64,
}

struct Closed {
    outgoing: Outgoing,
    waiters: Waiters,
    /// When it was begun, as [`Clock::elapsed_ms`] says it.
    since_ms: i64,
}

/// Who waits for an envelope, and what is kept for them.
#[derive(Default)]
struct Waiters {
    tell: Vec<oneshot::Sender<bool>>,
    payload_bytes: usize,
}

/// A command that comes in.
struct New<'a> {
    partition: u16,
    arrived_at_ms: i64,
    payload: &'a [u8],
    told: oneshot::Sender<bool>,
}

#[derive(Default)]
struct Pending {
    /// The envelope of each partition that still takes commands.
    open: Vec<Option<Building>>,
    /// Envelopes that are full, in order.
    full: VecDeque<Closed>,
    /// Commands whose fate is open, those in flight included.
    commands: usize,
    /// The bytes of their payloads.
    bytes: usize,
    envelopes: u64,
}

/// Envelopes that were sent and whose fate is not known.
struct InFlight {
    envelopes: Vec<Closed>,
    tries: u32,
    backoff: Backoff,
}

/// The batcher of one ingest process.
pub struct Batcher {
    queue: Queue,
    clock: Clock,
    options: BatcherOptions,
    pending: Mutex<Pending>,
    in_flight: tokio::sync::Mutex<InFlight>,
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
        let open = (0..options.partitions).map(|_| None).collect();
        Self {
            queue,
            options,
            in_flight: tokio::sync::Mutex::new(InFlight {
                envelopes: Vec::new(),
                tries: 0,
                backoff: Backoff::new(BACKOFF_MS, &clock),
            }),
            clock,
            pending: Mutex::new(Pending { open, ..Pending::default() }),
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
        let mut pending = self.pending.lock();
        if pending.commands >= PENDING_COMMANDS_MAX || pending.bytes + payload.len() > PENDING_BYTES_MAX {
            return Err(Overloaded);
        }
        let entry = New { partition, arrived_at_ms, payload, told };
        let id = pending.push(&self.options, &self.clock, self.queue.inbox_id(), entry)?;
        drop(pending);
        self.wake.notify_one();
        Ok(Ticket { id, durable })
    }

    /// Sends what has gathered, or again what could not be sent, and tells everybody whose fate is known.
    pub async fn flush(&self) -> Flushed {
        let mut in_flight = self.in_flight.lock().await;
        if in_flight.envelopes.is_empty() {
            in_flight.envelopes = self.pending.lock().take();
            if in_flight.tries > 0 {
                in_flight.tries = 0;
                in_flight.backoff.reset();
            }
            if in_flight.envelopes.is_empty() {
                return Flushed::Nothing;
            }
            for envelope in &in_flight.envelopes {
                self.envelope_size.record(envelope.waiters.tell.len() as f64);
                self.envelope_bytes.increment(envelope.outgoing.body.len() as u64);
            }
        }
        let envelopes = std::mem::take(&mut in_flight.envelopes);
        // One try has one bound. An envelope whose time is nearly up must not cut off the try of the others.
        let longest = envelopes.iter().map(|closed| self.left(closed.since_ms)).max().unwrap_or_default();
        let try_min = Duration::from_millis(TRY_MS_MIN);
        let least = if longest >= try_min { try_min } else { Duration::from_millis(1) };
        let (timely, late): (Vec<_>, Vec<_>) =
            envelopes.into_iter().partition(|closed| self.left(closed.since_ms) >= least);
        for closed in late {
            self.give_up(&closed.outgoing, closed.waiters, "it has waited for too long");
        }
        let Some(left) = timely.iter().map(|closed| self.left(closed.since_ms)).min() else {
            return Flushed::Sent;
        };
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
                    warn!(envelope = outgoing.id, %error, tries = in_flight.tries, "sending an envelope again");
                    in_flight.envelopes.push(Closed { outgoing, waiters, since_ms });
                }
                Err(error) => self.give_up(&outgoing, waiters, &chain(&error)),
            }
        }
        in_flight.tries += 1;
        if in_flight.envelopes.is_empty() { Flushed::Sent } else { Flushed::Again }
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

    /// The pause before the next try: not so long that nothing can be tried or told in time.
    async fn pause(&self) {
        let mut in_flight = self.in_flight.lock().await;
        let left = in_flight.envelopes.iter().map(|closed| self.left(closed.since_ms)).min();
        let pause = in_flight.backoff.next_pause().min(left.unwrap_or_default());
        drop(in_flight);
        self.clock.pause(pause).await;
    }

    /// Flushes whenever something has gathered, until `stop`; then once more until nothing is left.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            // Requests that are ready by now join the batch, at the price of one turn of the runtime.
            tokio::task::yield_now().await;
            match self.flush().await {
                Flushed::Sent => {}
                Flushed::Again => self.pause().await,
                Flushed::Nothing => {
                    self.waiting.set(0.0);
                    if stop.run_until_cancelled(self.wake.notified()).await.is_none()
                        && self.pending.lock().commands == 0
                    {
                        return;
                    }
                    self.waiting.set(self.pending.lock().commands as f64);
                }
            }
        }
    }

    /// Tells what became of an envelope; from now on there is room for others.
    fn tell(&self, waiters: Waiters, durable: bool) {
        let mut pending = self.pending.lock();
        pending.commands -= waiters.tell.len();
        pending.bytes -= waiters.payload_bytes;
        drop(pending);
        for waiter in waiters.tell {
            // Nobody listens when the phone hung up; the command counts all the same.
            let _ = waiter.send(durable);
        }
    }
}

impl Pending {
    fn push(
        &mut self,
        options: &BatcherOptions,
        clock: &Clock,
        inbox: &str,
        New { partition, arrived_at_ms, payload, told }: New<'_>,
    ) -> Result<String, Overloaded> {
        // Twice at most: an envelope that is full makes room for a new one, and a first entry always fits.
        loop {
            let slot = self.open.get_mut(usize::from(partition)).ok_or(Overloaded)?;
            let building = slot.get_or_insert_with(|| {
                self.envelopes += 1;
                let id = format!("{}-{:x}", options.node, self.envelopes);
                let builder =
                    EnvelopeBuilder::new(inbox, options.partitions, &id, options.envelope_bytes_max);
                Building { partition, id, builder, waiters: Waiters::default(), since_ms: clock.elapsed_ms() }
            });
            if let Some(index) = building.builder.push(None, arrived_at_ms, payload) {
                building.waiters.tell.push(told);
                building.waiters.payload_bytes += payload.len();
                self.commands += 1;
                self.bytes += payload.len();
                return Ok(entry_id(&building.id, index));
            }
            if let Some(building) = slot.take() {
                self.full.push_back(building.close());
            }
        }
    }

    fn take(&mut self) -> Vec<Closed> {
        let mut all: Vec<_> = self.full.drain(..).collect();
        all.extend(self.open.iter_mut().filter_map(|slot| slot.take().map(Building::close)));
        all
    }
}

impl Building {
    fn close(self) -> Closed {
        let outgoing = Outgoing { partition: self.partition, id: self.id, body: self.builder.finish() };
        Closed { outgoing, waiters: self.waiters, since_ms: self.since_ms }
    }
}
