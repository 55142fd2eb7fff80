//! The ledger in PostgreSQL, 15 or newer.

mod identity;
mod pool;
mod position;
mod session;

pub(crate) use identity::{
    add_inbox, add_partitions, change_partitions, fix_partitions, hold_positions, least_mark, move_all,
    remove_partitions,
};
pub use identity::{generations, identity, lock, positions};
pub use pool::{Pool, Statement, release, timeout};
pub use position::journal;
pub(crate) use position::{move_on, position, write_journal};
pub use session::{SessionSettings, begin_session, check_session};

/// Begins a read-only snapshot.
pub const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Begins a write transaction; after waiting for another one, a statement sees what that one wrote.
pub(crate) const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
