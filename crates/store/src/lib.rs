//! All SQL of the game's database that knows the game: what a batch reads and writes, the readers', the pusher's and
//! the scheduler's side of it, with its migrations. What any crowd's database has is the [`ledger`]'s.
//!
//! What it is not: it knows no rule of the game (that is [`game`]) and nothing of what is inside a message or a
//! payload: bodies are opaque text.
//! Who calls it: the handler through [`Memory::load`] and [`save`], the reads and `verify` through [`Reader`], the push
//! role through [`Outbox`], the scheduler through [`Schedule`]. They are distinct types, so that what holds only a
//! [`Reader`] cannot write.
//!
//! Each of them is a front over one backend; the conformance suite in `tests/` holds the backends equal. Time comes
//! in as a value (`*_ms: i64`, Unix milliseconds).

mod backend;
mod batch;
mod bounds;
mod columns;
mod outbox;
mod player;
mod postgres;
mod reader;
mod repartition;
mod roles;
mod schedule;
mod schema;
mod session;
mod sqlite;
mod state;
mod store;
mod top;
mod types;
mod view;

pub use batch::{Batch, Memory, save};
pub use ledger::{Error, Identity, JournalEntry, Options, Position};
pub use outbox::Outbox;
pub use reader::{Audit, Reader};
pub use repartition::repartition;
pub use roles::RolePasswords;
pub use schedule::Schedule;
pub use state::{Difference, State, TableDigest};
pub use store::Store;
pub use types::{
    Counts, DeviceRow, Job, Migrated, OutboxRow, PlayerView, Scheduled, Stage, TopEntry, TopRow,
};
