//! The address of the game's database, and the parts of it that each role opens.

use std::path::Path;

use ledger::Ledger;

use crate::backend::{Backend, each};
use crate::{Error, Migrated, Options, Outbox, Reader, RolePasswords, Schedule, postgres, sqlite};

/// The address of a game's database. Each role opens the part that it needs; before that nothing is opened.
#[derive(Debug, Clone)]
pub struct Store(Backend<Box<postgres::Database>, sqlite::Database>);

impl Store {
    /// An existing database of a PostgreSQL server, 15 or newer: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with
    /// options like `?sslmode=verify-full`. This program sets every session setting that it relies on.
    ///
    /// # Errors
    /// [`Error::Url`], with the reason.
    pub fn postgres(url: &str, options: Options) -> Result<Self, Error> {
        Ok(Self(Backend::Postgres(Box::new(postgres::Database::new(url, options)?))))
    }

    /// A database in this SQLite file, in an existing folder.
    pub fn sqlite(path: &Path, options: Options) -> Self {
        Self(Backend::Sqlite(sqlite::Database::new(path, options)))
    }

    /// Creates the SQLite file if it is missing, and brings the schema up to date. Several processes may do so at once.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a later program has made a breaking migration; otherwise whatever the database says.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        match &self.0 {
            Backend::Postgres(database) => postgres::migrate(database).await,
            Backend::Sqlite(database) => sqlite::migrate(database).await,
        }
    }

    /// Creates the database roles that processes log in as, and grants each the rights that it needs. The caller must
    /// own the database and may create roles; the schema must be up to date. Idempotent, and safe to run concurrently.
    /// Does nothing for SQLite.
    ///
    /// # Errors
    /// [`Error::Denied`] when the caller lacks a right; otherwise whatever the database says.
    pub async fn grant_roles(&self, passwords: &RolePasswords) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(database) => postgres::grant(database, passwords).await,
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the database has rejected a login of an open part since the last call. Open connections go on; each new
    /// one needs the login. Always `false` for SQLite.
    pub fn login_was_refused(&self) -> bool {
        match &self.0 {
            Backend::Postgres(database) => database.login_was_refused(),
            Backend::Sqlite(_) => false,
        }
    }

    /// Logs in on a new connection, and closes it.
    ///
    /// # Errors
    /// [`Error::is_login_refused`] tells a rejected login from other errors of the database.
    pub async fn log_in(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(database) => database.log_in().await,
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Opens the ledger, for the handler.
    ///
    /// # Errors
    /// [`Error::OlderSchema`] before the migrations have run, [`Error::NewerSchema`] when a later program has made a
    /// breaking migration.
    pub async fn ledger(&self) -> Result<Ledger, Error> {
        each!(&self.0, database => database.ledger().await)
    }

    /// Opens the read-only part.
    ///
    /// # Errors
    /// As for [`Store::ledger`].
    pub async fn reader(&self) -> Result<Reader, Error> {
        match &self.0 {
            Backend::Postgres(database) => Ok(Reader::postgres(postgres::Reader::open(database).await?)),
            Backend::Sqlite(database) => Ok(Reader::sqlite(sqlite::Reader::open(database).await?)),
        }
    }

    /// Opens the outbox, for the push role.
    ///
    /// # Errors
    /// As for [`Store::ledger`].
    pub async fn outbox(&self) -> Result<Outbox, Error> {
        match &self.0 {
            Backend::Postgres(database) => Ok(Outbox::postgres(postgres::Outbox::open(database).await?)),
            Backend::Sqlite(database) => Ok(Outbox::sqlite(sqlite::Outbox::open(database).await?)),
        }
    }

    /// Opens the schedule, for the scheduler.
    ///
    /// # Errors
    /// As for [`Store::ledger`].
    pub async fn schedule(&self) -> Result<Schedule, Error> {
        match &self.0 {
            Backend::Postgres(database) => Ok(Schedule::postgres(postgres::Schedule::open(database).await?)),
            Backend::Sqlite(database) => Ok(Schedule::sqlite(sqlite::Schedule::open(database).await?)),
        }
    }
}
