//! The schedule of rounds, for the scheduler.

use game::Round;

use crate::backend::{Backend, each};
use crate::{Error, Scheduled, postgres, sqlite};

/// The schedule of rounds. Several schedulers may run: each method is one atomic step. Cloning is cheap; clones share
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

    /// Adds a round. `false`: the id exists already, maybe with the same values; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn insert_if_absent(&self, scheduled: &Scheduled) -> Result<bool, Error> {
        each!(&self.0, schedule => schedule.insert_if_absent(scheduled).await)
    }

    /// Replaces a round by another with the same id, or by itself at a later stage, if it is still
    /// [`Drawn`](crate::Stage::Drawn) and still opens when `drawn` does. From [`Announcing`](crate::Stage::Announcing)
    /// on it never changes. `false`: the row has changed meanwhile, or `new` has another id; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn replace_drawn(&self, drawn: &Round, new: &Scheduled) -> Result<bool, Error> {
        if drawn.id != new.round.id {
            return Ok(false);
        }
        each!(&self.0, schedule => schedule.replace_drawn(drawn, new).await)
    }

    /// Stores that every partition has the round durably. `false`: the round was never fixed; nothing changed.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn announced(&self, id: u64) -> Result<bool, Error> {
        each!(&self.0, schedule => schedule.announced(id).await)
    }

    /// Stores how many of the round's ticks have been sent. The stored number never decreases.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ticked(&self, id: u64, ticks_sent: u8) -> Result<(), Error> {
        each!(&self.0, schedule => schedule.ticked(id, ticks_sent).await)
    }

    /// The rounds that are not announced to all partitions or have ticks to be sent, by id.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn unfinished(&self) -> Result<Vec<Scheduled>, Error> {
        each!(&self.0, schedule => schedule.unfinished().await)
    }

    /// Closes the connections once running work has ended.
    pub async fn close(&self) {
        each!(&self.0, schedule => schedule.close().await)
    }
}
