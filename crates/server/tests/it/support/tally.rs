//! A crowd that knows no button. Its commands are numbers, each partition keeps those that it applied, in order; its
//! store lives in memory and fails when told.

use std::collections::{HashMap, VecDeque};
use std::future::pending;

use parking_lot::Mutex;
use queue::Queue;
use server::writer::{Arrived, Crowd};
use store::{Committed, JournalRow, Position};
use tokio::sync::Semaphore;

use super::VISIBILITY_MS;
use server::clock::Clock;

/// The number whose commit the store refuses.
pub(crate) const POISON: i64 = 13;

/// What one partition keeps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    pub(crate) numbers: Vec<i64>,
    /// Sequence and buried indices of each message.
    pub(crate) journal: Vec<(u128, Vec<u32>)>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { position: Position { inbox: 1, sequence: 0 }, numbers: Vec::new(), journal: Vec::new() }
    }
}

/// What the store does instead of its duty, once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    /// A prefetch fails for the moment.
    Prefetch,
    /// A commit fails for the moment.
    Commit,
    /// A commit succeeds, but that is never learnt.
    Ambiguous,
    /// A commit finds the position moved.
    Fenced,
    /// A commit takes longer than the lease lasts.
    LeaseLost,
    /// A commit waits until it is let go, then goes on.
    Waits,
    /// A commit never returns.
    Hangs,
    /// A commit goes well.
    None,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Prefetched,
    Applied(i64),
    /// With the messages that were not acked then, and the dead letters that there were.
    Commits {
        unacked: u64,
        dead: u64,
    },
    Told {
        from: u128,
        to: u128,
    },
}

pub(crate) struct Tally {
    queue: Queue,
    clock: Clock,
    kept: Mutex<HashMap<u16, Kept>>,
    pub(crate) troubles: Mutex<VecDeque<Trouble>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) go: Semaphore,
}

impl Tally {
    pub(crate) fn new(queue: Queue, clock: Clock) -> Self {
        Self {
            queue,
            clock,
            kept: Mutex::default(),
            troubles: Mutex::default(),
            seen: Mutex::default(),
            go: Semaphore::new(0),
        }
    }

    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().extend(troubles);
    }

    pub(crate) fn kept(&self, partition: u16) -> Kept {
        self.kept.lock().get(&partition).cloned().unwrap_or_default()
    }

    pub(crate) fn numbers(&self, partition: u16) -> Vec<i64> {
        self.kept(partition).numbers
    }

    pub(crate) fn commits(&self) -> usize {
        self.seen.lock().iter().filter(|seen| matches!(seen, Seen::Commits { .. })).count()
    }

    /// The next trouble, if it is one of prefetch or of commit, as asked.
    fn next(&self, prefetch: bool) -> Trouble {
        let mut troubles = self.troubles.lock();
        match troubles.front() {
            Some(trouble) if (*trouble == Trouble::Prefetch) == prefetch => troubles.pop_front().unwrap(),
            _ => Trouble::None,
        }
    }

    fn write(
        &self,
        partition: u16,
        batch: &[i64],
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> Committed {
        let mut kept = self.kept.lock();
        let kept = kept.entry(partition).or_default();
        if kept.position != from {
            return Committed::Fenced;
        }
        assert!(to > from, "a commit moves the position forward");
        kept.position = to;
        kept.numbers.extend(batch);
        kept.journal.extend(journal.iter().map(|row| (row.sequence, row.buried.to_vec())));
        Committed::Done
    }
}

fn transient() -> store::Error {
    store::Error::Busy { source: sqlx::Error::PoolTimedOut }
}

fn refused() -> store::Error {
    store::Error::Refused { source: sqlx::Error::Protocol("poison".to_owned()) }
}

impl Crowd for Tally {
    type Command = i64;
    type Batch = Vec<i64>;

    fn decode(&self, _: u16, payload: &str, id: &dyn Fn() -> String) -> Result<i64, String> {
        payload.parse().map_err(|_| format!("{} is no number: {payload}", id()))
    }

    async fn prefetch(
        &self,
        partition: u16,
        _: &[&Arrived<i64>],
    ) -> Result<(Position, Vec<i64>), store::Error> {
        self.seen.lock().push(Seen::Prefetched);
        match self.next(true) {
            Trouble::Prefetch => Err(transient()),
            _ => Ok((self.kept(partition).position, Vec::new())),
        }
    }

    fn apply(&self, batch: &mut Vec<i64>, arrived: &Arrived<i64>) -> Result<(), String> {
        if arrived.command < 0 {
            return Err("is negative".to_owned());
        }
        self.seen.lock().push(Seen::Applied(arrived.command));
        batch.push(arrived.command);
        Ok(())
    }

    async fn commit(
        &self,
        partition: u16,
        batch: &Vec<i64>,
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> Result<Committed, store::Error> {
        let backlog = self.queue.backlog().await.unwrap();
        self.seen.lock().push(Seen::Commits { unacked: backlog.messages, dead: backlog.dead });
        if batch.contains(&POISON) {
            return Err(refused());
        }
        match self.next(false) {
            Trouble::Commit => return Err(transient()),
            Trouble::Ambiguous => {
                let _ = self.write(partition, batch, from, to, journal);
                return Err(transient());
            }
            Trouble::Fenced => return Ok(Committed::Fenced),
            Trouble::LeaseLost => self.clock.advance(VISIBILITY_MS),
            Trouble::Waits => self.go.acquire().await.unwrap().forget(),
            Trouble::Hangs => pending().await,
            Trouble::Prefetch | Trouble::None => {}
        }
        Ok(self.write(partition, batch, from, to, journal))
    }

    async fn rehearse(
        &self,
        _: u16,
        batch: &Vec<i64>,
        _: Position,
        _: Position,
        _: &[JournalRow<'_>],
    ) -> Result<Committed, store::Error> {
        if batch.contains(&POISON) { Err(refused()) } else { Ok(Committed::Done) }
    }

    fn committed(&self, _: u16, _: Vec<i64>, from: Position, to: Position) {
        self.seen.lock().push(Seen::Told { from: from.sequence, to: to.sequence });
    }
}
