//! The scheduler's side: its own table and nothing else.

use game::Round;

use crate::backend::{Backend, each};
use crate::{Error, Scheduled, postgres, sqlite};

/// The schedule. Several schedulers may be at work: each method is one atomic step. Cloning is cheap; clones share
/// the connection.
#[derive(Debug, Clone)]
pub struct Schedule(Backend<postgres::Schedule, sqlite::Schedule>);

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
        each!(&self.0, schedule => schedule.latest().await)
    }

    /// The round with this id.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn get(&self, id: u64) -> Result<Option<Scheduled>, Error> {
        each!(&self.0, schedule => schedule.get(id).await)
    }

    /// Adds a round. `false`: its id is taken, be it by a row that says the same; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn insert_if_absent(&self, scheduled: &Scheduled) -> Result<bool, Error> {
        each!(&self.0, schedule => schedule.insert_if_absent(scheduled).await)
    }

    /// Replaces a round by another with the same id, or by itself at a later stage, if it is still
    /// [`Drawn`](crate::Stage::Drawn) and still opens when `drawn` does. From
    /// [`Announcing`](crate::Stage::Announcing) on it is fixed for ever. `false`: it is not so any more, or `new` has
    /// another id; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn replace_drawn(&self, drawn: &Round, new: &Scheduled) -> Result<bool, Error> {
        if drawn.id != new.round.id {
            return Ok(false);
        }
        each!(&self.0, schedule => schedule.replace_drawn(drawn, new).await)
    }

    /// Notes that every partition has the round durably. `false`: it was never fixed; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn announced(&self, id: u64) -> Result<bool, Error> {
        each!(&self.0, schedule => schedule.announced(id).await)
    }

    /// Notes how many of the round's ticks have been sent; never fewer than noted before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ticked(&self, id: u64, ticks_sent: u8) -> Result<(), Error> {
        each!(&self.0, schedule => schedule.ticked(id, ticks_sent).await)
    }

    /// The rounds that are not announced everywhere or whose ticks have not all been sent, in the order of their ids.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn unfinished(&self) -> Result<Vec<Scheduled>, Error> {
        each!(&self.0, schedule => schedule.unfinished().await)
    }

    /// Closes the connection, after what is under way has ended.
    pub async fn close(&self) {
        each!(&self.0, schedule => schedule.close().await)
    }
}
