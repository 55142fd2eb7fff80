//! What all crowds share: commands enter the inbox durably and in order, and each of them is applied exactly once.
//!
//! * [`Envelope`]: the message in which commands travel.
//! * [`batcher`]: sends many commands in few messages.
//! * [`handler`]: the loop that applies them; [`Crowd`] defines what a command is and how it is applied.
//! * [`dlq`]: lists and redrives the commands that could not be applied.
//! * [`live`]: sends events to all subscribers.
//! * [`run`]: loops with retries.
//! * [`clock`]: the one module that reads the clock and asks the system for randomness.
//! * [`metrics`]: every metric, with its kind, unit and help text.
//! * [`bounds`]: all bounds, each with its unit.
//!
//! It contains no kind of crowd, no SQL and no HTTP.
//!
//! Example: a crowd that counts. It has no rows of its own: the count is the mark beside the position, and the commands
//! are in the journal.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use engine::batcher::{Batcher, BatcherOptions};
//! use engine::bounds::{ENVELOPE_BYTES_MAX, RESEND_MS_MAX};
//! use engine::clock::Clock;
//! use engine::handler::Step;
//! use engine::{Arrived, Crowd, Entry, Handler, Refusal};
//! use ledger::{Position, Read, Write};
//! use queue::Queue;
//!
//! struct Counter;
//!
//! impl Crowd for Counter {
//!     type Command = i64;
//!     type Batch = i64;
//!
//!     fn decode(&self, entry: &Entry<'_>) -> Result<i64, Refusal> {
//!         entry.payload.parse().map_err(Refusal::new)
//!     }
//!
//!     fn route<'c>(&self, _: &'c i64) -> Option<&'c str> {
//!         None // any partition may have it
//!     }
//!
//!     async fn load(&self, read: &mut Read<'_>, _: &[&Arrived<i64>]) -> Result<i64, ledger::Error> {
//!         Ok(read.mark())
//!     }
//!
//!     fn apply(&self, count: &mut i64, by: &Arrived<i64>) -> Result<(), Refusal> {
//!         *count = count.checked_add(by.command).ok_or_else(|| Refusal::new("nobody can count so far"))?;
//!         Ok(())
//!     }
//!
//!     fn mark(&self, count: &i64) -> i64 {
//!         *count
//!     }
//!
//!     async fn save(&self, _: &mut Write<'_>, _: &mut i64) -> Result<(), ledger::Error> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (folder, clock) = (tempfile::tempdir()?, Clock::System);
//! let inbox = folder.path().join("inbox.sqlite");
//! let queue = Queue::open_sqlite(&inbox, queue::Options::default(), clock.as_fn()).await?;
//! // The ledger's tables come with those of the game.
//! let store = store::Store::sqlite(&folder.path().join("counter.sqlite"), store::Options::default());
//! store.migrate().await?;
//! let ledger = store.ledger().await?;
//! let identity = ledger.settle_identity(queue.inbox_id(), 1, clock.now_ms()).await?;
//!
//! let options = BatcherOptions {
//!     partitions: 1,
//!     envelope_bytes_max: ENVELOPE_BYTES_MAX,
//!     node: "example".to_owned(),
//!     resend_ms_max: RESEND_MS_MAX,
//! };
//! let batcher = Batcher::new(queue.clone(), clock.clone(), options);
//! let ticket = batcher.submit(0, clock.now_ms(), b"40")?;
//! for payload in ["\"many\"", "2"] {
//!     batcher.submit(0, clock.now_ms(), payload.as_bytes())?;
//! }
//! batcher.flush().await;
//! assert!(ticket.durable.await?);
//!
//! let mut handler = Handler::new(queue.clone(), ledger.clone(), Arc::new(Counter), clock, identity, 30_000);
//! assert_eq!(handler.step(Duration::ZERO).await?, Step::Applied { messages: 1, commands: 2 });
//! assert_eq!(ledger.acquire().await?.read(0).await?.mark(), 42);
//! let journal = store.reader().await?.audit().await?.journal(0, Position::default(), 10).await?;
//! assert_eq!(journal[0].buried, [1]);
//! assert_eq!(queue.dead_letters(None, 10).await?[0].reason, "invalid digit found in string");
//! # Ok(())
//! # }
//! ```

pub mod batcher;
pub mod bounds;
pub mod clock;
pub mod dlq;
pub mod envelope;
pub mod handler;
pub mod live;
pub mod metrics;
pub mod run;

pub use bounds::ENVELOPE_BYTES_MAX;
pub use envelope::{Entry, Envelope, EnvelopeBuilder, EnvelopeError};
pub use handler::{Arrived, Crowd, Handler, Refusal, partition_of};

/// An error with everything that led to it, for logs.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
