//! The scheduler's side: its own table and nothing else.

use game::Round;

use crate::{Error, Scheduled, postgres, sqlite};

/// The schedule. Several schedulers may be at work: each method is one atomic step. Cloning is cheap; clones share
/// the connection.
#[derive(Debug, Clone)]
pub struct Schedule(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Postgres(postgres::Schedule),
    Sqlite(sqlite::Schedule),
}

impl Schedule {
    pub(crate) fn postgres(schedule: postgres::Schedule) -> Self {
        Self(Backend::Postgres(schedule))
    }

    pub(crate) fn sqlite(schedule: sqlite::Schedule) -> Self {
        Self(Backend::Sqlite(schedule))
    }

    /// The round with the greatest id, secret or not.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn latest(&self) -> Result<Option<Scheduled>, Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.latest().await,
            Backend::Sqlite(schedule) => schedule.latest().await,
        }
    }

    /// The round with this id.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn get(&self, id: u64) -> Result<Option<Scheduled>, Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.get(id).await,
            Backend::Sqlite(schedule) => schedule.get(id).await,
        }
    }

    /// Adds a round. `false`: its id is taken, be it by a row that says the same; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn insert_if_absent(&self, scheduled: &Scheduled) -> Result<bool, Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.insert_if_absent(scheduled).await,
            Backend::Sqlite(schedule) => schedule.insert_if_absent(scheduled).await,
        }
    }

    /// Replaces a round by another with the same id, or by itself at a later stage, if it is still
    /// [`Drawn`](crate::Stage::Drawn) and still opens when `drawn` does. From
    /// [`Announcing`](crate::Stage::Announcing) on it is fixed for ever. `false`: it is not so any more, or `new` has
    /// another id; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn replace_drawn(&self, drawn: &Round, new: &Scheduled) -> Result<bool, Error> {
        match &self.0 {
            _ if drawn.id != new.round.id => Ok(false),
            Backend::Postgres(schedule) => schedule.replace_drawn(drawn, new).await,
            Backend::Sqlite(schedule) => schedule.replace_drawn(drawn, new).await,
        }
    }

    /// Notes that every partition has the round durably. `false`: it was never fixed; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn announced(&self, id: u64) -> Result<bool, Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.announced(id).await,
            Backend::Sqlite(schedule) => schedule.announced(id).await,
        }
    }

    /// Notes how many of the round's ticks have been sent; never fewer than noted before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ticked(&self, id: u64, ticks_sent: u8) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.ticked(id, ticks_sent).await,
            Backend::Sqlite(schedule) => schedule.ticked(id, ticks_sent).await,
        }
    }

    /// The rounds that are not announced everywhere or whose ticks have not all been sent, in the order of their ids.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn unfinished(&self) -> Result<Vec<Scheduled>, Error> {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.unfinished().await,
            Backend::Sqlite(schedule) => schedule.unfinished().await,
        }
    }

    /// Closes the connection, after what is under way has ended.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Postgres(schedule) => schedule.close().await,
            Backend::Sqlite(schedule) => schedule.close().await,
        }
    }
}
