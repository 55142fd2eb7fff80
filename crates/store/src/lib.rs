//! The game's tables, in SQLite and PostgreSQL: all SQL that knows the game, and the migrations. The tables that every
//! crowd has are in [`ledger`].
//!
//! This crate knows no rule of the game (see [`game`]) and does not look into messages or payloads, which are opaque
//! text. The handler uses [`Memory::load`] and [`save`], reads and `verify` use [`Reader`], the push role [`Outbox`],
//! the scheduler [`Schedule`]. They are distinct types, so that whoever holds only a [`Reader`] cannot write.
//!
//! Each type is a front over one backend; the conformance suite in `tests/` holds the backends equal. Time is passed in
//! as a value (`*_ms: i64`, Unix milliseconds).

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
