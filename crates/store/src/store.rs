//! Where the game's database is, and how each role opens its side of it.

use std::path::Path;

use crate::{Error, Migrated, Options, Outbox, Reader, Schedule, Writer, sqlite};

/// The address of a game's database. Making one touches nothing; each role opens what it needs.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(sqlite::Database),
}

impl Store {
    /// A database in this SQLite file, in a folder that exists.
    pub fn sqlite(path: &Path, options: Options) -> Self {
        Self(Backend::Sqlite(sqlite::Database::new(path, options)))
    }

    /// Creates the database if there is none, and brings its schema up to date. May be run by several at once.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a later program has been here; otherwise whatever the database says.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        match &self.0 {
            Backend::Sqlite(database) => sqlite::migrate(database).await,
        }
    }

    /// Opens the writer's side.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] or [`Error::OlderSchema`] when the schema is not the one that this program knows.
    pub async fn writer(&self) -> Result<Writer, Error> {
        match &self.0 {
            Backend::Sqlite(database) => Ok(Writer::sqlite(sqlite::Writer::open(database).await?)),
        }
    }

    /// Opens the readers' side, which cannot write.
    ///
    /// # Errors
    /// As for [`Store::writer`].
    pub async fn reader(&self) -> Result<Reader, Error> {
        match &self.0 {
            Backend::Sqlite(database) => Ok(Reader::sqlite(sqlite::Reader::open(database).await?)),
        }
    }

    /// Opens the pusher's side.
    ///
    /// # Errors
    /// As for [`Store::writer`].
    pub async fn outbox(&self) -> Result<Outbox, Error> {
        match &self.0 {
            Backend::Sqlite(database) => Ok(Outbox::sqlite(sqlite::Outbox::open(database).await?)),
        }
    }

    /// Opens the scheduler's side.
    ///
    /// # Errors
    /// As for [`Store::writer`].
    pub async fn schedule(&self) -> Result<Schedule, Error> {
        match &self.0 {
            Backend::Sqlite(database) => Ok(Schedule::sqlite(sqlite::Schedule::open(database).await?)),
        }
    }
}
