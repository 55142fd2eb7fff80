//! All SQL of the game's database: the writer's, the readers', the pusher's and the scheduler's side of it, with its
//! migrations.
//!
//! What it is not: it knows no rule of the game (that is [`game`]) and nothing of what is inside a message or a
//! payload: bodies are opaque text.
//! Who calls it: the handler through [`Writer`], the reads and `verify` through [`Reader`], the push role through
//! [`Outbox`], the scheduler through [`Schedule`]. They are distinct types, so that what holds only a [`Reader`]
//! cannot write.
//!
//! Each of them is a front over one backend; the conformance suite in `tests/` holds the backends equal. Time comes
//! in as a value (`*_ms: i64`, Unix milliseconds).

mod board;
mod columns;
mod error;
mod json;
mod memory;
mod outbox;
mod player;
mod postgres;
mod reader;
mod repartition;
mod roles;
mod schedule;
mod schema;
mod sqlite;
mod state;
mod store;
mod types;
mod view;
mod writer;

pub use error::Error;
pub use outbox::Outbox;
pub use reader::{Audit, Reader};
pub use roles::RolePasswords;
pub use schedule::Schedule;
pub use state::{Difference, State, TableDigest};
pub use store::Store;
pub use types::{
    Commit, Committed, Counts, DeviceRow, Identity, Job, JournalEntry, JournalRow, Migrated, Options,
    OutboxRow, PlayerView, Position, Prefetched, Scheduled, Stage, TopEntry, TopRow,
};
pub use writer::Writer;
