//! What every crowd has in common: how its commands get durably into the inbox, in order, and how each of them is applied
//! exactly once.
//!
//! * [`Envelope`]: the message in which commands travel.
//! * [`batcher`]: many commands in few messages.
//! * [`handler`]: the loop that applies them; what a command is, and what applying it means, is behind [`Crowd`].
//! * [`dlq`]: what could not be applied, listed and sent again.
//! * [`live`]: what happened, for everybody who listens.
//! * [`run`]: what is done again and again, and tried again when it fails.
//! * [`clock`]: the one place that reads the clock and asks the system for randomness.
//! * [`bounds`]: every bound, with its unit.
//!
//! What it is not: it names no kind of crowd, no statement of a database and no HTTP.

pub mod batcher;
pub mod bounds;
pub mod clock;
pub mod dlq;
pub mod envelope;
pub mod handler;
pub mod live;
pub mod run;

pub use bounds::ENVELOPE_BYTES_MAX;
pub use envelope::{Entry, Envelope, EnvelopeBuilder, EnvelopeError};
pub use handler::{Arrived, Crowd, Handler, Refusal, partition_of};

/// An error with everything that led to it, for logs.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
