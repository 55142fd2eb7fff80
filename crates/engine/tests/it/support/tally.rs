//! A crowd that knows no button. Its commands are numbers. All that it keeps stands in the ledger: the journal has the
//! numbers, the mark is a hash of them in their order. Its database fails when told.

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

/// The number that the database refuses.
pub(crate) const POISON: i64 = 13;

/// What the database does instead of its duty, once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    /// A read fails for the moment.
    Prefetch,
    /// A commit fails for the moment, in the middle of its transaction.
    Commit,
    /// A commit succeeds, but that is never learnt.
    Ambiguous,
    /// A commit finds the position moved.
    Fenced,
    /// A commit takes longer than the lease lasts.
    LeaseLost,
    /// A commit waits until it is let go, then begins.
    Waits,
    /// A commit never returns: it stands in the middle of its transaction.
    Hangs,
    /// A commit goes well.
    None,
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    /// With the numbers that were asked for.
    Loaded(Vec<i64>),
    Applied(i64),
    /// With the messages that were not acked then, and the dead letters that there were.
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
    /// What is to happen to the write that a partition is in.
    now: Mutex<HashMap<u16, Trouble>>,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) go: Semaphore,
}

/// The mark before and after some numbers.
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

    /// The same, as who says what goes wrong in a ledger.
    pub(crate) fn faults(self: &Arc<Self>) -> Arc<dyn Faults> {
        Arc::clone(self) as Arc<dyn Faults>
    }

    pub(crate) fn trouble(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().extend(troubles);
    }

    pub(crate) fn commits(&self) -> usize {
        self.seen.lock().iter().filter(|seen| matches!(seen, Seen::Commits { .. })).count()
    }

    /// The next trouble, if it is one of reading or of writing, as asked.
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

/// What a batch works on.
pub(crate) struct TallyBatch {
    mark: i64,
    numbers: Vec<i64>,
    /// What is still to be applied, to see that it is just what was loaded for.
    expected: VecDeque<i64>,
}

/// A number, and whose it is: `7` is every partition's, `"ada:7"` ada's.
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
