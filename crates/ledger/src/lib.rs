//! The tables that every crowd has: the inbox it consumes, the position of each partition and the journal; and the two
//! transactions in which a batch is read and written.
//!
//! A batch is read in a snapshot ([`Read`]) and written in a transaction that begins with the fence ([`Write`]): it
//! moves the partition from the position that was read to the next one, and fails if another process has moved it. Both
//! are guards over either driver. A crowd's crate takes the connection from [`Session`] and runs its own statements on
//! it.
//!
//! This crate knows no command and no rule. Time is passed in as a value (`*_ms: i64`, Unix milliseconds).

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

pub use codes::ErrorKind;
pub use columns::{Columns, known, sequence_text, valid};
pub use connection::{Connection, Read, Repartition, Session, Write};
pub use error::Error;
#[cfg(feature = "faults")]
pub use faults::{Faults, Injected};
pub use front::Ledger;
pub use json::json_rows;
pub use types::{Committed, Identity, JournalEntry, JournalRow, Options, Position, Span};
