//! A crowd whose commands are numbers. All its state is in the ledger: the journal has the numbers, and the mark is a
//! hash of them in order. Tests can make its database fail.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use engine::clock::Clock;
use engine::{Arrived, Crowd, Entry, Refusal};
use ledger::{Faults, Injected, Read, Span, Write};
use parking_lot::Mutex;
use queue::Queue;
use tokio::sync::Semaphore;

use super::VISIBILITY_MS;

/// The number that the database rejects.
pub(crate) const POISON: i64 = 13;

/// A failure of the database that happens once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    /// A read fails temporarily.
    Prefetch,
    /// A commit fails temporarily, in the middle of its transaction.
    Commit,
    /// A commit succeeds, but its result is lost.
    Ambiguous,
    /// A commit finds that the position has moved.
    Fenced,
    /// A commit takes longer than the lease.
    LeaseLost,
    /// A commit waits until the test releases it.
    Waits,
    /// A commit hangs in the middle of its transaction.
    Hangs,
    /// A commit succeeds.
    None,
}

/// The events, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// A load, with the numbers requested.
    Loaded(Vec<i64>),
    Applied(i64),
    /// A commit, with the unacked messages and the dead letters at that time.
    Commits {
        unacked: u64,
        dead: u64,
    },
    Committed {
        from: u128,
        to: u128,
    },
}

pub(crate) struct Tally {
    queue: Queue,
    clock: Clock,
    pub(crate) troubles: Mutex<VecDeque<Trouble>>,
    /// The failure planned for the current write of a partition.
    now: Mutex<HashMap<u16, Trouble>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) go: Semaphore,
}

/// The mark after these numbers, from the mark before them.
pub(crate) fn mark(before: i64, numbers: &[i64]) -> i64 {
    numbers.iter().fold(before, |mark, number| mark.wrapping_mul(31).wrapping_add(*number))
}

impl Tally {
    pub(crate) fn new(queue: Queue, clock: Clock) -> Self {
        Self {
            queue,
            clock,
            troubles: Mutex::default(),
            now: Mutex::default(),
            seen: Mutex::default(),
            go: Semaphore::new(0),
        }
    }

    /// The same object as the ledger's fault injection.
    pub(crate) fn faults(self: &Arc<Self>) -> Arc<dyn Faults> {
        Arc::clone(self) as Arc<dyn Faults>
    }

    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().extend(troubles);
    }

    pub(crate) fn commits(&self) -> usize {
        self.seen.lock().iter().filter(|seen| matches!(seen, Seen::Commits { .. })).count()
    }

    /// Takes the next failure if it is one of reading or of writing, as asked.
    fn next(&self, reading: bool) -> Trouble {
        let mut troubles = self.troubles.lock();
        match troubles.front() {
            Some(trouble) if (*trouble == Trouble::Prefetch) == reading => troubles.pop_front().unwrap(),
            _ => Trouble::None,
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}

impl Faults for Tally {
    fn before_write(&self, span: Span) -> Pin<Box<dyn Future<Output = Injected> + Send + '_>> {
        Box::pin(async move {
            let backlog = self.queue.backlog().await.unwrap();
            self.seen.lock().push(Seen::Commits { unacked: backlog.messages, dead: backlog.dead });
            let trouble = self.next(false);
            self.now.lock().insert(span.partition, trouble);
            match trouble {
                Trouble::Fenced => return Injected::Fenced,
                Trouble::LeaseLost => self.clock.advance(VISIBILITY_MS),
                Trouble::Waits => self.go.acquire().await.unwrap().forget(),
                _ => {}
            }
            Injected::None
        })
    }

    fn after_commit(&self, span: Span) -> Injected {
        match self.now.lock().remove(&span.partition) {
            Some(Trouble::Ambiguous) => Injected::Error(transient()),
            _ => Injected::None,
        }
    }
}

fn transient() -> ledger::Error {
    ledger::Error::Busy { source: sqlx::Error::PoolTimedOut }
}

fn refused() -> ledger::Error {
    ledger::Error::Refused { source: sqlx::Error::Protocol("poison".to_owned()) }
}

/// The working state of a batch.
pub(crate) struct TallyBatch {
    mark: i64,
    numbers: Vec<i64>,
    /// Numbers still to be applied; checks that exactly these were loaded.
    expected: VecDeque<i64>,
}

/// A number and its player: `7` belongs to no player, `"ada:7"` to ada.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) number: i64,
    pub(crate) of: Option<String>,
}

impl Crowd for Tally {
    type Command = Number;
    type Batch = TallyBatch;

    fn decode(&self, entry: &Entry<'_>) -> Result<Number, Refusal> {
        let text = entry.payload.trim_matches('"');
        let (of, number) = match text.split_once(':') {
            Some((of, number)) => (Some(of.to_owned()), number),
            None => (None, entry.payload),
        };
        let number = number
            .parse()
            .map_err(|_| Refusal::new(format_args!("{} is no number: {}", entry.id(), entry.payload)))?;
        Ok(Number { number, of })
    }

    fn route<'c>(&self, number: &'c Number) -> Option<&'c str> {
        number.of.as_deref()
    }

    async fn load(
        &self,
        read: &mut Read<'_>,
        numbers: &[&Arrived<Number>],
    ) -> Result<TallyBatch, ledger::Error> {
        let expected: VecDeque<_> = numbers.iter().map(|arrived| arrived.command.number).collect();
        self.seen.lock().push(Seen::Loaded(expected.iter().copied().collect()));
        match self.next(true) {
            Trouble::Prefetch => Err(transient()),
            _ => Ok(TallyBatch { mark: read.mark(), numbers: Vec::new(), expected }),
        }
    }

    fn apply(&self, batch: &mut TallyBatch, arrived: &Arrived<Number>) -> Result<(), Refusal> {
        let number = arrived.command.number;
        assert_eq!(batch.expected.pop_front(), Some(number), "it was loaded for what is applied");
        if number < 0 {
            return Err(Refusal::new("is negative"));
        }
        self.seen.lock().push(Seen::Applied(number));
        batch.numbers.push(number);
        Ok(())
    }

    fn mark(&self, batch: &TallyBatch) -> i64 {
        assert!(batch.expected.is_empty(), "all that was loaded for is applied");
        mark(batch.mark, &batch.numbers)
    }

    async fn save(&self, write: &mut Write<'_>, batch: &mut TallyBatch) -> Result<(), ledger::Error> {
        if batch.numbers.contains(&POISON) {
            return Err(refused());
        }
        let trouble = self.now.lock().get(&write.span().partition).copied();
        match trouble {
            Some(Trouble::Commit) => Err(transient()),
            Some(Trouble::Hangs) => pending().await,
            _ => Ok(()),
        }
    }

    fn committed(&self, _: TallyBatch, span: Span) {
        self.seen.lock().push(Seen::Committed { from: span.from.sequence, to: span.to.sequence });
    }
}
