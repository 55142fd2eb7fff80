//! The handler's loop with a crowd whose commands are numbers, on the ledger of either database. The loop has no code
//! for the button; it applies each message exactly once.

mod burying;
mod pair;
mod random;
mod reading_on;
mod several;
mod steps;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::handler::{Buried, Step, StepError};
use engine::{Entry, Envelope, Handler};
use ledger::{Identity, JournalEntry, Ledger, Position};
use queue::{DeadLetter, Options};
use servers::postgres::Database;
use store::{Reader, Store};

use crate::support::tally::{Seen, Tally, mark};
use crate::support::{NOW, NOW_MS, Site, VISIBILITY_MS};

/// The databases under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Sqlite,
    Postgres,
}

/// An inbox, a database with the tally, and the number of partitions.
struct Bench {
    site: Site,
    tally: Arc<Tally>,
    /// Handlers take these in turn, as each process has its own.
    ledgers: [Ledger; 2],
    writers: AtomicUsize,
    reader: Reader,
    _database: Option<Database>,
    partitions: u16,
    visibility_ms: i64,
}

/// State of one partition.
#[derive(Debug, PartialEq)]
struct Kept {
    position: Position,
    numbers: Vec<i64>,
    /// Sequence and buried indices of each message.
    journal: Vec<(u128, Vec<u32>)>,
}

impl Deref for Bench {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Bench {
    async fn new(base: Base, partitions: u16) -> Self {
        let site = Site::with(Options { visibility_ms: VISIBILITY_MS, ..Options::default() }).await;
        Self::at(site, base, partitions, VISIBILITY_MS).await
    }

    async fn sqs(partitions: u16, visibility_ms: i64) -> Self {
        Self::at(Site::sqs(None, visibility_ms).await, Base::Sqlite, partitions, visibility_ms).await
    }

    async fn at(site: Site, base: Base, partitions: u16, visibility_ms: i64) -> Self {
        // A commit that a test delays must not time out. The connection ends a transaction that was dropped halfway
        // when it is used again.
        let options = store::Options {
            writers: 1,
            statement_ms_max: 60_000,
            idle_in_transaction_ms_max: 60_000,
            ..store::Options::default()
        };
        let (store, database) = match base {
            Base::Sqlite => (Store::sqlite(&site.path("tally.sqlite"), options), None),
            Base::Postgres => {
                let database = servers::postgres::server().await.database().await;
                (Store::postgres(&database.url(), options).unwrap(), Some(database))
            }
        };
        store.migrate().await.unwrap();
        let tally = Arc::new(Tally::new(site.queue.clone(), site.clock.clone()));
        let ledger = async || store.ledger().await.unwrap().with_faults(tally.faults());
        let ledgers = [ledger().await, ledger().await];
        ledgers[0].settle_identity(site.queue.inbox_id(), partitions, NOW_MS).await.unwrap();
        let reader = store.reader().await.unwrap();
        let writers = AtomicUsize::new(0);
        Self { site, tally, ledgers, writers, reader, _database: database, partitions, visibility_ms }
    }

    async fn kept(&self, partition: u16) -> Kept {
        let mut audit = self.reader.audit().await.unwrap();
        let journal = audit.journal(partition, Position::default(), 10_000).await.unwrap();
        let numbers: Vec<_> = journal.iter().flat_map(numbers_of).collect();
        let marks = audit.state().await.unwrap().applied_through_ms;
        assert_eq!(marks[&partition], mark(0, &numbers), "what was applied is what the journal says");
        let (_, position) = audit.positions().await.unwrap()[usize::from(partition)];
        let journal = journal.into_iter().map(|entry| (entry.position.sequence, entry.buried)).collect();
        Kept { position, numbers, journal }
    }

    async fn numbers(&self, partition: u16) -> Vec<i64> {
        self.kept(partition).await.numbers
    }

    /// The numbers that each batch was loaded for.
    fn loaded(&self) -> Vec<Vec<i64>> {
        let seen = self.tally.seen.lock();
        let loaded =
            |seen: &Seen| if let Seen::Loaded(numbers) = seen { Some(numbers.clone()) } else { None };
        seen.iter().filter_map(loaded).collect()
    }

    fn writer(&self) -> Handler<Tally> {
        self.writer_of(1)
    }

    /// A handler that expects an inbox of this generation.
    fn writer_of(&self, generation: u32) -> Handler<Tally> {
        let inbox_id = self.queue.inbox_id().to_owned();
        let identity = Identity { generation, inbox_id, partitions: self.partitions };
        let (queue, tally, clock) = (self.queue.clone(), Arc::clone(&self.tally), self.clock.clone());
        let nth = self.writers.fetch_add(1, Ordering::Relaxed);
        let ledger = self.ledgers[nth % self.ledgers.len()].clone();
        Handler::new(queue, ledger, tally, clock, identity, self.visibility_ms)
    }

    /// Sends one message with these payloads.
    async fn send(&self, partition: u16, id: &str, payloads: &[&str]) {
        let body = self.site.envelope(self.partitions, id, payloads);
        self.send_body(partition, id, &body).await;
    }

    /// Sends one message for each number.
    async fn send_numbers(&self, partition: u16, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            let text = number.to_string();
            self.send(partition, &format!("{partition}-{text}"), &[&text]).await;
        }
    }

    /// Steps until the inbox is empty.
    async fn drain(&self, writer: &mut Handler<Tally>) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            match writer.step(NOW).await {
                Ok(Step::Idle) => return steps,
                Ok(step) => steps.push(step),
                // A refused commit is retried a few times before anything goes to the dead letters.
                Err(StepError::Store(ledger::Error::Refused { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        self.queue.dead_letters(None, 10_000).await.unwrap()
    }
}

/// The numbers of a message that were applied.
fn numbers_of(message: &JournalEntry) -> Vec<i64> {
    let buried = Buried::from_journal(&message.buried);
    if buried == Buried::Whole {
        return Vec::new();
    }
    let envelope = Envelope::decode(&message.body).unwrap();
    let entries = (0..).zip(envelope.entries()).filter(|(index, _)| !buried.contains(*index));
    let number = |(_, entry): (u32, Result<Entry<'_>, _>)| {
        let payload = entry.unwrap().payload.trim_matches('"');
        payload.rsplit(':').next().unwrap().parse().unwrap()
    };
    entries.map(number).collect()
}

fn applied(messages: usize, commands: usize) -> Step {
    Step::Applied { messages, commands }
}

async fn fails(writer: &mut Handler<Tally>) -> StepError {
    writer.step(NOW).await.unwrap_err()
}
