//! What has gathered, partition by partition, and what of it may be sent together.

use std::collections::VecDeque;
use std::time::Duration;

use queue::Outgoing;
use tokio::sync::oneshot;

use super::{BatcherOptions, Overloaded};
use crate::bounds::{BACKOFF_MS, SLOW_SEND_MS};
use crate::clock::Clock;
use crate::envelope::{EnvelopeBuilder, entry_id};
use crate::run::Backoff;

/// A command that comes in.
pub(super) struct New<'a> {
    pub(super) partition: u16,
    pub(super) arrived_at_ms: i64,
    pub(super) payload: &'a [u8],
    pub(super) told: oneshot::Sender<bool>,
}

/// Who waits for an envelope, and what is kept for them.
#[derive(Default)]
pub(super) struct Waiters {
    pub(super) tell: Vec<oneshot::Sender<bool>>,
    pub(super) payload_bytes: usize,
}

struct Building {
    partition: u16,
    id: String,
    builder: EnvelopeBuilder,
    waiters: Waiters,
    since_ms: i64,
}

impl Building {
    fn close(self) -> Closed {
        let outgoing = Outgoing { partition: self.partition, id: self.id, body: self.builder.finish() };
        Closed { outgoing, waiters: self.waiters, since_ms: self.since_ms }
    }
}

/// An envelope that takes no more commands.
pub(super) struct Closed {
    pub(super) outgoing: Outgoing,
    pub(super) waiters: Waiters,
    /// When it was begun, as [`Clock::elapsed_ms`] says it.
    pub(super) since_ms: i64,
}

/// What one send takes.
#[derive(Default)]
pub(super) struct Round {
    partitions: Vec<u16>,
    /// In order within each partition.
    pub(super) envelopes: Vec<Closed>,
    /// How often they have been sent before.
    pub(super) tries: u32,
}

/// One partition.
struct Lane {
    /// The envelope that still takes commands.
    open: Option<Building>,
    /// Envelopes that are full, in order.
    full: VecDeque<Closed>,
    /// Envelopes that were sent and whose fate is open, in order.
    unsettled: Vec<Closed>,
    /// How often they have been sent.
    tries: u32,
    /// When they may be sent again, as [`Clock::elapsed_ms`] says it.
    again_at_ms: i64,
    backoff: Backoff,
    /// A send has its envelopes.
    is_in_flight: bool,
}

impl Lane {
    fn has_new(&self) -> bool {
        !self.is_in_flight && self.unsettled.is_empty() && (self.open.is_some() || !self.full.is_empty())
    }

    fn is_waiting(&self) -> bool {
        !self.is_in_flight && !self.unsettled.is_empty()
    }
}

/// All partitions.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Commands whose fate is open, those in flight included.
    pub(super) commands: usize,
    /// The bytes of their payloads.
    pub(super) bytes: usize,
    envelopes: u64,
    /// Sends of new envelopes that are in flight, and when the last of them began.
    new_in_flight: usize,
    new_since_ms: i64,
}

impl Lanes {
    pub(super) fn new(partitions: u16, clock: &Clock) -> Self {
        let lane = |_| Lane {
            open: None,
            full: VecDeque::new(),
            unsettled: Vec::new(),
            tries: 0,
            again_at_ms: 0,
            backoff: Backoff::new(BACKOFF_MS, clock),
            is_in_flight: false,
        };
        let lanes = (0..partitions).map(lane).collect();
        Self { lanes, commands: 0, bytes: 0, envelopes: 0, new_in_flight: 0, new_since_ms: 0 }
    }

    pub(super) fn push(
        &mut self,
        options: &BatcherOptions,
        clock: &Clock,
        inbox: &str,
        New { partition, arrived_at_ms, payload, told }: New<'_>,
    ) -> Result<String, Overloaded> {
        let lane = self.lanes.get_mut(usize::from(partition)).ok_or(Overloaded)?;
        // Twice at most: an envelope that is full makes room for a new one, and a first entry always fits.
        loop {
            let building = lane.open.get_or_insert_with(|| {
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
            lane.full.extend(lane.open.take().map(Building::close));
        }
    }

    /// The next send that may begin now, beside those that are in flight.
    pub(super) fn next(&mut self, elapsed_ms: i64) -> Option<Round> {
        if let Some(again) = self.take_again(elapsed_ms) {
            return Some(again);
        }
        // One at a time, so that many commands share it; but nobody waits for long for a send that he is not in.
        let may_begin = self.new_in_flight == 0 || elapsed_ms - self.new_since_ms >= SLOW_SEND_MS;
        if may_begin { self.take_new(elapsed_ms) } else { None }
    }

    /// All that has gathered, but for the partitions in which something is open.
    pub(super) fn take_new(&mut self, elapsed_ms: i64) -> Option<Round> {
        let mut round = Round { partitions: Vec::new(), envelopes: Vec::new(), tries: 0 };
        for (partition, lane) in (0..).zip(&mut self.lanes).filter(|(_, lane)| lane.has_new()) {
            lane.is_in_flight = true;
            round.partitions.push(partition);
            round.envelopes.extend(lane.full.drain(..).chain(lane.open.take().map(Building::close)));
        }
        if round.partitions.is_empty() {
            return None;
        }
        self.new_in_flight += 1;
        self.new_since_ms = elapsed_ms;
        Some(round)
    }

    /// What one partition must send again, if its pause is over.
    pub(super) fn take_again(&mut self, elapsed_ms: i64) -> Option<Round> {
        let is_due = |lane: &Lane| lane.is_waiting() && lane.again_at_ms <= elapsed_ms;
        let (partition, lane) = (0..).zip(&mut self.lanes).find(|(_, lane)| is_due(lane))?;
        lane.is_in_flight = true;
        let envelopes = std::mem::take(&mut lane.unsettled);
        Some(Round { partitions: vec![partition], envelopes, tries: lane.tries })
    }

    /// How long it is until another send may be due, and whether commands that come in until then only gather.
    pub(super) fn due(&self, elapsed_ms: i64) -> (Duration, bool) {
        let again = self.lanes.iter().filter(|lane| lane.is_waiting()).map(|lane| lane.again_at_ms);
        let slow_at_ms = self.new_since_ms + SLOW_SEND_MS;
        let gathers = self.new_in_flight > 0 && slow_at_ms > elapsed_ms;
        let at_ms = again.chain(gathers.then_some(slow_at_ms)).filter(|at_ms| *at_ms > elapsed_ms).min();
        let due_ms = at_ms.map_or(SLOW_SEND_MS, |at_ms| at_ms - elapsed_ms);
        (Duration::from_millis(due_ms.unsigned_abs()), gathers)
    }

    /// A send has ended. What it leaves must be sent again, within so much time as `left` says of its beginning.
    pub(super) fn finish(&mut self, round: Round, left: impl Fn(i64) -> Duration, elapsed_ms: i64) {
        if round.tries == 0 {
            self.new_in_flight -= 1;
        }
        for closed in round.envelopes {
            if let Some(lane) = self.lanes.get_mut(usize::from(closed.outgoing.partition)) {
                lane.unsettled.push(closed);
            }
        }
        for partition in round.partitions {
            let Some(lane) = self.lanes.get_mut(usize::from(partition)) else { continue };
            lane.is_in_flight = false;
            if let Some(left) = lane.unsettled.iter().map(|closed| left(closed.since_ms)).min() {
                // Not so long that nothing can be tried or told in time.
                let pause = lane.backoff.next_pause().min(left);
                lane.again_at_ms = elapsed_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                lane.tries += 1;
            } else if lane.tries > 0 {
                lane.tries = 0;
                lane.backoff.reset();
            }
        }
    }
}
