//! What has gathered, partition by partition, and what of it may be sent together.

use std::collections::VecDeque;
use std::time::Duration;

use queue::Outgoing;
use tokio::sync::oneshot;

use super::{BatcherOptions, Overloaded};
use crate::bounds::{BACKOFF_MS, SENDS_AT_ONCE_MAX, SLOW_SEND_MS};
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
    /// Its number, if it is of new envelopes.
    number: Option<u64>,
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
    /// Sends of new envelopes so far.
    rounds: u64,
    /// The latest of them, while it is in flight, and when it began, as [`Clock::elapsed_ms`] says it.
    latest: Option<(u64, i64)>,
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
        Self { lanes, commands: 0, bytes: 0, envelopes: 0, rounds: 0, latest: None }
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

    /// The next send that may begin now, beside so many that are in flight.
    pub(super) fn next(&mut self, in_flight: usize, elapsed_ms: i64) -> Option<Round> {
        // The last place is kept for new envelopes: partitions that fail must not take all of them.
        if in_flight + 1 < SENDS_AT_ONCE_MAX
            && let Some(again) = self.take_again(elapsed_ms)
        {
            return Some(again);
        }
        // One at a time, so that many commands share it; but nobody waits for long for a send that he is not in.
        let may_begin = in_flight < SENDS_AT_ONCE_MAX
            && self.latest.is_none_or(|(_, since_ms)| elapsed_ms - since_ms >= SLOW_SEND_MS);
        if may_begin { self.take_new(elapsed_ms) } else { None }
    }

    /// All that has gathered, but for the partitions in which something is open.
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

    /// What one partition must send again, if its pause is over.
    pub(super) fn take_again(&mut self, elapsed_ms: i64) -> Option<Round> {
        let is_due = |lane: &Lane| lane.is_waiting() && lane.again_at_ms <= elapsed_ms;
        let (partition, lane) = (0..).zip(&mut self.lanes).find(|(_, lane)| is_due(lane))?;
        lane.is_in_flight = true;
        let envelopes = std::mem::take(&mut lane.unsettled);
        Some(Round { partitions: vec![partition], envelopes, tries: lane.tries, number: None })
    }

    /// How long it is until another send may be due, and whether commands that come in until then only gather.
    pub(super) fn due(&self, elapsed_ms: i64) -> (Duration, bool) {
        let again = self.lanes.iter().filter(|lane| lane.is_waiting()).map(|lane| lane.again_at_ms);
        let slow_at_ms = self.latest.map(|(_, since_ms)| since_ms + SLOW_SEND_MS);
        let gathers = slow_at_ms.is_some_and(|slow_at_ms| slow_at_ms > elapsed_ms);
        let at_ms = again.chain(slow_at_ms).filter(|at_ms| *at_ms > elapsed_ms).min();
        let due_ms = at_ms.map_or(SLOW_SEND_MS, |at_ms| at_ms - elapsed_ms);
        (Duration::from_millis(due_ms.unsigned_abs()), gathers)
    }

    /// A send has ended. What it leaves must be sent again, within so much time as `left` says of its beginning.
    pub(super) fn finish(&mut self, round: Round, left: impl Fn(i64) -> Duration, elapsed_ms: i64) {
        if self.latest.is_some_and(|(number, _)| Some(number) == round.number) {
            self.latest = None;
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
        let new = New { partition, arrived_at_ms: 0, payload: b"{}", told: oneshot::channel().0 };
        assert!(lanes.push(&options, clock, "inbox", new).is_ok());
    }

    fn partitions(round: Option<Round>) -> Option<Vec<u16>> {
        round.map(|round| round.partitions)
    }

    /// All envelopes of a round were taken.
    fn sent(lanes: &mut Lanes, mut round: Round, elapsed_ms: i64) {
        round.envelopes.clear();
        lanes.finish(round, |_| Duration::ZERO, elapsed_ms);
    }

    /// None of them was.
    fn failed(lanes: &mut Lanes, round: Round, elapsed_ms: i64) {
        lanes.finish(round, |_| Duration::from_secs(60), elapsed_ms);
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
