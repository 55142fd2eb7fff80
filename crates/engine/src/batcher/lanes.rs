//! Pending commands by partition, and which of them may be sent together.

use std::collections::VecDeque;
use std::time::Duration;

use queue::Outgoing;
use tokio::sync::oneshot;

use super::{BatcherOptions, Overloaded};
use crate::bounds::{BACKOFF, PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, SENDS_AT_ONCE_MAX, SLOW_SEND_MS};
use crate::clock::Clock;
use crate::envelope::{EnvelopeBuilder, entry_id};
use crate::run::Backoff;

/// A submitted command.
pub(super) struct New<'a> {
    pub(super) partition: u16,
    pub(super) arrived_at_ms: i64,
    pub(super) payload: &'a [u8],
    pub(super) durable: oneshot::Sender<bool>,
}

/// Who waits for an envelope, and how many payload bytes they hold.
#[derive(Default)]
pub(super) struct Waiters {
    pub(super) senders: Vec<oneshot::Sender<bool>>,
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
        let body = self.builder.finish();
        let outgoing = Outgoing { partition: self.partition, id: self.id, body, quiet: false };
        Closed { outgoing, waiters: self.waiters, since_ms: self.since_ms }
    }
}

/// An envelope that is complete.
pub(super) struct Closed {
    pub(super) outgoing: Outgoing,
    pub(super) waiters: Waiters,
    /// When it was begun, by [`Clock::elapsed_ms`].
    pub(super) since_ms: i64,
}

/// The envelopes of one send.
#[derive(Default)]
pub(super) struct Round {
    pub(super) partitions: Vec<u16>,
    /// In order within each partition.
    pub(super) envelopes: Vec<Closed>,
    /// Number of earlier tries.
    pub(super) tries: u32,
    /// Its number, if its envelopes are new; `None` for a retry.
    pub(super) number: Option<u64>,
}

struct Lane {
    /// The envelope that commands are added to.
    open: Option<Building>,
    full: VecDeque<Closed>,
    /// Envelopes that were sent without a result, in order.
    unsettled: Vec<Closed>,
    /// Number of tries of the unsettled envelopes.
    tries: u32,
    /// When the unsettled envelopes may be retried, by [`Clock::elapsed_ms`].
    retry_at_ms: i64,
    backoff: Backoff,
    is_in_flight: bool,
    pending: Pending,
}

/// Commands that are not durable yet, those in flight included.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Pending {
    commands: usize,
    payload_bytes: usize,
}

impl Pending {
    /// Whether one more command of this length stays within `most`.
    fn has_room(self, payload_bytes: usize, most: Self) -> bool {
        self.commands < most.commands && self.payload_bytes + payload_bytes <= most.payload_bytes
    }

    fn add(&mut self, commands: usize, payload_bytes: usize) {
        self.commands += commands;
        self.payload_bytes += payload_bytes;
    }

    fn remove(&mut self, commands: usize, payload_bytes: usize) {
        self.commands -= commands;
        self.payload_bytes -= payload_bytes;
    }
}

impl Lane {
    fn has_new(&self) -> bool {
        !self.is_in_flight && self.unsettled.is_empty() && (self.open.is_some() || !self.full.is_empty())
    }

    fn is_waiting(&self) -> bool {
        !self.is_in_flight && !self.unsettled.is_empty()
    }
}

/// The bounds on what is pending in all partitions together.
const MOST: Pending = Pending { commands: PENDING_COMMANDS_MAX, payload_bytes: PENDING_BYTES_MAX };

/// All partitions.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    pending: Pending,
    envelopes: u64,
    /// Number of sends of new envelopes so far.
    rounds: u64,
    /// The latest of these sends while it is in flight: its number, and when it began by [`Clock::elapsed_ms`].
    latest: Option<(u64, i64)>,
}

impl Lanes {
    pub(super) fn new(partitions: u16, clock: &Clock) -> Self {
        let lane = |_| Lane {
            open: None,
            full: VecDeque::new(),
            unsettled: Vec::new(),
            tries: 0,
            retry_at_ms: 0,
            backoff: Backoff::new(BACKOFF, clock),
            is_in_flight: false,
            pending: Pending::default(),
        };
        let lanes = (0..partitions).map(lane).collect();
        Self { lanes, pending: Pending::default(), envelopes: 0, rounds: 0, latest: None }
    }

    /// Commands that are not durable yet, those in flight included.
    pub(super) fn pending_commands(&self) -> usize {
        self.pending.commands
    }

    /// Frees the room of commands that have been answered.
    pub(super) fn release(&mut self, partition: u16, commands: usize, payload_bytes: usize) {
        self.pending.remove(commands, payload_bytes);
        if let Some(lane) = self.lanes.get_mut(usize::from(partition)) {
            lane.pending.remove(commands, payload_bytes);
        }
    }

    /// The bounds of one partition: with several partitions half of all, so that one whose sends hang leaves room for
    /// the others.
    fn lane_most(&self) -> Pending {
        let parts = self.lanes.len().clamp(1, 2);
        Pending { commands: MOST.commands / parts, payload_bytes: MOST.payload_bytes / parts }
    }

    pub(super) fn push(
        &mut self,
        options: &BatcherOptions,
        clock: &Clock,
        inbox: &str,
        New { partition, arrived_at_ms, payload, durable }: New<'_>,
    ) -> Result<String, Overloaded> {
        let lane_most = self.lane_most();
        let lane = self.lanes.get_mut(usize::from(partition)).ok_or(Overloaded)?;
        let bytes = payload.len();
        if !self.pending.has_room(bytes, MOST) || !lane.pending.has_room(bytes, lane_most) {
            return Err(Overloaded);
        }
        // Two iterations at most: a full envelope is closed, and the first entry of a new one always fits.
        loop {
            let building = lane.open.get_or_insert_with(|| {
                self.envelopes += 1;
                let id = format!("{}-{:x}", options.node, self.envelopes);
                let builder =
                    EnvelopeBuilder::new(inbox, options.partitions, &id, options.envelope_bytes_max);
                Building { partition, id, builder, waiters: Waiters::default(), since_ms: clock.elapsed_ms() }
            });
            if let Some(index) = building.builder.push(None, arrived_at_ms, payload) {
                building.waiters.senders.push(durable);
                building.waiters.payload_bytes += bytes;
                self.pending.add(1, bytes);
                lane.pending.add(1, bytes);
                return Ok(entry_id(&building.id, index));
            }
            lane.full.extend(lane.open.take().map(Building::close));
        }
    }

    /// The next send that may begin now, given the number of sends in flight.
    pub(super) fn next(&mut self, in_flight: usize, elapsed_ms: i64) -> Option<Round> {
        // Retries leave the last place to new envelopes.
        if in_flight + 1 < SENDS_AT_ONCE_MAX
            && let Some(retry) = self.take_retry(elapsed_ms)
        {
            return Some(retry);
        }
        // New envelopes share one send at a time, unless the latest send is slow.
        let may_begin = in_flight < SENDS_AT_ONCE_MAX
            && self.latest.is_none_or(|(_, since_ms)| elapsed_ms - since_ms >= SLOW_SEND_MS);
        if may_begin { self.take_new(elapsed_ms) } else { None }
    }

    /// All new envelopes of the partitions without unsettled ones.
    pub(super) fn take_new(&mut self, elapsed_ms: i64) -> Option<Round> {
        let mut round = Round::default();
        for (partition, lane) in (0..).zip(&mut self.lanes).filter(|(_, lane)| lane.has_new()) {
            lane.is_in_flight = true;
            round.partitions.push(partition);
            round.envelopes.extend(lane.full.drain(..).chain(lane.open.take().map(Building::close)));
        }
        if round.partitions.is_empty() {
            return None;
        }
        self.rounds += 1;
        self.latest = Some((self.rounds, elapsed_ms));
        round.number = Some(self.rounds);
        Some(round)
    }

    /// The retry of one partition whose pause is over.
    pub(super) fn take_retry(&mut self, elapsed_ms: i64) -> Option<Round> {
        let is_due = |lane: &Lane| lane.is_waiting() && lane.retry_at_ms <= elapsed_ms;
        let (partition, lane) = (0..).zip(&mut self.lanes).find(|(_, lane)| is_due(lane))?;
        lane.is_in_flight = true;
        let envelopes = std::mem::take(&mut lane.unsettled);
        Some(Round { partitions: vec![partition], envelopes, tries: lane.tries, number: None })
    }

    /// The time until another send may be due, and whether new commands only join the batch until then.
    pub(super) fn due(&self, elapsed_ms: i64) -> (Duration, bool) {
        let retries = self.lanes.iter().filter(|lane| lane.is_waiting()).map(|lane| lane.retry_at_ms);
        let slow_at_ms = self.latest.map(|(_, since_ms)| since_ms + SLOW_SEND_MS);
        let gathers = slow_at_ms.is_some_and(|slow_at_ms| slow_at_ms > elapsed_ms);
        let at_ms = retries.chain(slow_at_ms).filter(|at_ms| *at_ms > elapsed_ms).min();
        let due_ms = at_ms.map_or(SLOW_SEND_MS, |at_ms| at_ms - elapsed_ms);
        (Duration::from_millis(due_ms.unsigned_abs()), gathers)
    }

    /// Ends the send of one partition. `unsettled` must be retried, within the time `left` of an envelope that was
    /// begun at its argument.
    pub(super) fn finish(
        &mut self,
        partition: u16,
        unsettled: Vec<Closed>,
        left: impl Fn(i64) -> Duration,
        elapsed_ms: i64,
    ) {
        let Some(lane) = self.lanes.get_mut(usize::from(partition)) else { return };
        lane.is_in_flight = false;
        lane.unsettled = unsettled;
        if let Some(left) = lane.unsettled.iter().map(|closed| left(closed.since_ms)).min() {
            // The retry must come before the envelope is too old.
            let pause = lane.backoff.next_pause().min(left);
            lane.retry_at_ms = elapsed_ms + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            lane.tries += 1;
        } else if lane.tries > 0 {
            lane.tries = 0;
            lane.backoff.reset();
        }
    }

    /// Ends the send with this number.
    pub(super) fn end_round(&mut self, number: Option<u64>) {
        if self.latest.is_some_and(|(latest, _)| Some(latest) == number) {
            self.latest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still, and lanes of four partitions.
    fn begin() -> (Clock, Lanes) {
        let clock = Clock::manual(0);
        let lanes = Lanes::new(4, &clock);
        (clock, lanes)
    }

    fn push(lanes: &mut Lanes, clock: &Clock, partition: u16) {
        let options = BatcherOptions {
            partitions: 4,
            envelope_bytes_max: 65_536,
            node: "node".to_owned(),
            resend_ms_max: 60_000,
        };
        let new = New { partition, arrived_at_ms: 0, payload: b"{}", durable: oneshot::channel().0 };
        assert!(lanes.push(&options, clock, "inbox", new).is_ok());
    }

    fn partitions(round: Option<Round>) -> Option<Vec<u16>> {
        round.map(|round| round.partitions)
    }

    /// All envelopes of a round were taken.
    fn sent(lanes: &mut Lanes, round: Round, elapsed_ms: i64) {
        for partition in round.partitions {
            lanes.finish(partition, Vec::new(), |_| Duration::ZERO, elapsed_ms);
        }
        lanes.end_round(round.number);
    }

    /// None of them was; it had one partition.
    fn failed(lanes: &mut Lanes, round: Round, elapsed_ms: i64) {
        lanes.finish(round.partitions[0], round.envelopes, |_| Duration::from_secs(60), elapsed_ms);
        lanes.end_round(round.number);
    }

    #[test]
    fn a_send_that_hangs_delays_the_others_once() {
        let (clock, mut lanes) = begin();
        push(&mut lanes, &clock, 0);
        let hangs = lanes.next(0, 0).unwrap();
        push(&mut lanes, &clock, 1);
        assert!(lanes.next(1, SLOW_SEND_MS - 1).is_none());
        assert_eq!(lanes.due(SLOW_SEND_MS - 1), (Duration::from_millis(1), true));
        let second = lanes.next(1, SLOW_SEND_MS).unwrap();
        assert_eq!(second.partitions, [1]);
        sent(&mut lanes, second, SLOW_SEND_MS + 5);
        // From now on the others go at their own pace.
        for elapsed_ms in SLOW_SEND_MS + 5..SLOW_SEND_MS + 10 {
            push(&mut lanes, &clock, 1);
            assert!(!lanes.due(elapsed_ms).1);
            let round = lanes.next(1, elapsed_ms).unwrap();
            sent(&mut lanes, round, elapsed_ms);
        }
        // The end of the first one says nothing of a later one.
        push(&mut lanes, &clock, 2);
        let later = lanes.next(1, 5_000).unwrap();
        sent(&mut lanes, hangs, 5_001);
        push(&mut lanes, &clock, 3);
        assert!(lanes.next(1, 5_002).is_none(), "it shares the next send");
        sent(&mut lanes, later, 5_003);
        assert_eq!(partitions(lanes.next(0, 5_003)), Some(vec![3]));
    }

    #[test]
    fn partitions_that_fail_leave_one_place_to_the_others() {
        let (clock, mut lanes) = begin();
        push(&mut lanes, &clock, 0);
        let round = lanes.next(0, 0).unwrap();
        failed(&mut lanes, round, 0);
        push(&mut lanes, &clock, 1);
        let (due, gathers) = lanes.due(0);
        assert!(!gathers && due > Duration::ZERO && due <= Duration::from_millis(50), "{due:?}");
        // Its pause is over, but it would take the last place.
        assert_eq!(partitions(lanes.next(SENDS_AT_ONCE_MAX - 1, 50)), Some(vec![1]));
        assert_eq!(partitions(lanes.next(SENDS_AT_ONCE_MAX - 1, 5_000)), None);
        assert_eq!(partitions(lanes.next(SENDS_AT_ONCE_MAX - 2, 50)), Some(vec![0]));
        push(&mut lanes, &clock, 2);
        assert_eq!(partitions(lanes.next(SENDS_AT_ONCE_MAX, 5_000)), None);
    }
}
