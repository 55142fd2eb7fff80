//! The store in an SQLite file with a write-ahead log: one writer at a time, concurrent readers, every commit is
//! synced.

mod audit;
mod database;
pub(crate) mod load;
mod migrate;
mod migrations;
mod outbox;
mod player;
mod pool;
mod reader;
pub(crate) mod repartition;
pub(crate) mod save;
mod schedule;
#[cfg(test)]
mod tests;
pub(crate) mod top;

pub(crate) use audit::Audit;
pub(crate) use database::Database;
pub(crate) use migrate::migrate;
pub(crate) use outbox::Outbox;
pub(crate) use reader::Reader;
pub(crate) use schedule::Schedule;
