//! The database of any crowd: which inbox it draws from, where each partition stands, what was applied, and the two
//! transactions in which a batch is read and written.
//!
//! A batch is read in a snapshot ([`Read`]) and written in a transaction that begins with the fence ([`Write`]): it
//! moves the partition from the position that was read to the next one, and finds out whether somebody else did
//! before. Both are guards over either driver. What they carry for a crowd is the crowd's business: its crate finds the
//! connection in [`Session`] and brings its own statements.
//!
//! What it is not: it knows no command and no rule. Time comes in as a value (`*_ms: i64`, Unix milliseconds).

mod bounds;
mod codes;
mod columns;
mod connection;
mod error;
#[cfg(feature = "faults")]
mod faults;
mod front;
mod generation;
mod json;
pub mod postgres;
pub mod sqlite;
mod types;

pub use codes::Kind;
pub use columns::{Columns, known, sequence_text, valid};
pub use connection::{Connection, Read, Repartition, Session, Write};
pub use error::Error;
#[cfg(feature = "faults")]
pub use faults::{Faults, Injected};
pub use front::Ledger;
pub use json::json_rows;
pub use types::{Committed, Identity, JournalEntry, JournalRow, Options, Position, Span};
