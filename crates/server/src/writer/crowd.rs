//! The seam between the writer loop and the rules that it serves.

use std::future::Future;

use store::{Committed, JournalRow, Position};

use super::Arrived;

/// What a crowd does with its commands: the seam between the writer loop and the rules that it serves.
pub trait Crowd: Send + Sync + 'static {
    /// A command that was read and checked.
    type Command: Send + Sync;
    /// What a batch works on between prefetch and commit.
    type Batch: Send + Sync;

    /// Reads the payload of an entry; `id` makes the command's id. The error is the reason to bury it.
    ///
    /// # Errors
    /// The reason why it cannot be a command of this partition.
    fn decode(&self, partition: u16, payload: &str, id: &dyn Fn() -> String)
    -> Result<Self::Command, String>;

    /// Reads what the commands need, and the position at which that was so.
    fn prefetch(
        &self,
        partition: u16,
        commands: &[&Arrived<Self::Command>],
    ) -> impl Future<Output = Result<(Position, Self::Batch), store::Error>> + Send;

    /// Applies one command: pure. The error is the reason to bury it; then it has changed nothing.
    ///
    /// # Errors
    /// The reason why it cannot be.
    fn apply(&self, batch: &mut Self::Batch, command: &Arrived<Self::Command>) -> Result<(), String>;

    /// Writes what has changed, the journal and the new position in one transaction, if the position is still `from`.
    fn commit(
        &self,
        partition: u16,
        batch: &Self::Batch,
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> impl Future<Output = Result<Committed, store::Error>> + Send;

    /// Does what `commit` does up to its end, and takes it back: whether the store would refuse it.
    fn rehearse(
        &self,
        partition: u16,
        batch: &Self::Batch,
        from: Position,
        to: Position,
        journal: &[JournalRow<'_>],
    ) -> impl Future<Output = Result<Committed, store::Error>> + Send;

    /// Whether nothing may show yet that this command was applied, not even a count: batches of nothing else are not
    /// measured.
    fn is_secret(&self, _command: &Self::Command) -> bool {
        false
    }

    /// Told after a commit: for projections and live events, which may be lost.
    fn committed(&self, partition: u16, batch: Self::Batch, from: Position, to: Position);
}
