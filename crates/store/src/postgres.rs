//! The store in PostgreSQL 15 or newer. Several handlers may write at a time, each to other partitions; every commit is
//! durable.

mod audit;
mod database;
pub(crate) mod load;
mod migrate;
mod migrations;
mod outbox;
mod player;
mod reader;
pub(crate) mod repartition;
mod roles;
pub(crate) mod save;
mod schedule;
pub(crate) mod top;

pub(crate) use audit::Audit;
pub(crate) use database::Database;
pub(crate) use migrate::migrate;
pub(crate) use outbox::Outbox;
pub(crate) use reader::Reader;
pub(crate) use roles::grant;
pub(crate) use schedule::Schedule;
