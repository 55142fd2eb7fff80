//! Where the game's database is, and how each role opens its side of it.

use std::path::Path;

use ledger::Ledger;

use crate::backend::{Backend, each};
use crate::{Error, Migrated, Options, Outbox, Reader, RolePasswords, Schedule, postgres, sqlite};

/// The address of a game's database. Making one touches nothing; each role opens what it needs.
#[derive(Debug, Clone)]
pub struct Store(Backend<Box<postgres::Database>, sqlite::Database>);

impl Store {
    /// A database of a PostgreSQL server, 15 or newer, that exists: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with
    /// `?sslmode=verify-full` and the like. Everything that connections must agree on is set by this program.
    ///
    /// # Errors
    /// [`Error::Url`], with what is wrong.
    pub fn postgres(url: &str, options: Options) -> Result<Self, Error> {
        Ok(Self(Backend::Postgres(Box::new(postgres::Database::new(url, options)?))))
    }

    /// A database in this SQLite file, in a folder that exists.
    pub fn sqlite(path: &Path, options: Options) -> Self {
        Self(Backend::Sqlite(sqlite::Database::new(path, options)))
    }

    /// Creates the database if there is none, and brings its schema up to date. May be run by several at once.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when a later program has been here that has done more than add to the schema; otherwise
    /// whatever the database says.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        match &self.0 {
            Backend::Postgres(database) => postgres::migrate(database).await,
            Backend::Sqlite(database) => sqlite::migrate(database).await,
        }
    }

    /// Makes the roles that the parts of the game log in as, and gives them their rights in this database: each what
    /// its part needs, and nothing else. Whoever calls this owns the database and may create roles; the schema must
    /// be up to date. It may be run again, and by several at once. A file has no roles: there is nothing to do.
    ///
    /// # Errors
    /// [`Error::Denied`] when the caller may not; otherwise whatever the database says.
    pub async fn grant_roles(&self, passwords: &RolePasswords) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(database) => postgres::grant(database, passwords).await,
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Whether the database has refused the login of a side that is open, since this was last asked. What is open goes
    /// on for as long as its connections live; each new one needs the login. A file has no logins.
    pub fn login_was_refused(&self) -> bool {
        match &self.0 {
            Backend::Postgres(database) => database.login_was_refused(),
            Backend::Sqlite(_) => false,
        }
    }

    /// Logs in on a connection of its own, which is closed again.
    ///
    /// # Errors
    /// [`Error::is_login_refused`] says whether it is the login; otherwise whatever the database says.
    pub async fn log_in(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(database) => database.log_in().await,
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Opens the handler's side.
    ///
    /// # Errors
    /// [`Error::OlderSchema`] when the migrations are still to be run, [`Error::NewerSchema`] when a later program has
    /// done more than add to the schema.
    pub async fn ledger(&self) -> Result<Ledger, Error> {
        each!(&self.0, database => database.ledger().await)
    }

    /// Opens the readers' side, which cannot write.
    ///
    /// # Errors
    /// As for [`Store::ledger`].
    pub async fn reader(&self) -> Result<Reader, Error> {
        match &self.0 {
            Backend::Postgres(database) => Ok(Reader::postgres(postgres::Reader::open(database).await?)),
            Backend::Sqlite(database) => Ok(Reader::sqlite(sqlite::Reader::open(database).await?)),
        }
    }

    /// Opens the pusher's side.
    ///
    /// # Errors
    /// As for [`Store::ledger`].
    pub async fn outbox(&self) -> Result<Outbox, Error> {
        match &self.0 {
            Backend::Postgres(database) => Ok(Outbox::postgres(postgres::Outbox::open(database).await?)),
            Backend::Sqlite(database) => Ok(Outbox::sqlite(sqlite::Outbox::open(database).await?)),
        }
    }

    /// Opens the scheduler's side.
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
