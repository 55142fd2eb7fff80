//! The interface between the handler and the rules of a crowd.

use ledger::{Read, Span, Write};

use super::{Arrived, Refusal};
use crate::envelope::Entry;

/// The rules and rows of a crowd. The handler owns both transactions of a batch, the position and its fence, the
/// journal and the dead letters.
pub trait Crowd: Send + Sync + 'static {
    /// A decoded and validated command.
    type Command: Send + Sync;
    /// State of a batch: `load` reads it, `apply` and `save` change it, `committed` shows it.
    type Batch: Send;

    /// Decodes a command.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    fn decode(&self, entry: &Entry<'_>) -> Result<Self::Command, Refusal>;

    /// The key whose hash is the command's partition. `None`: the command may stand in any partition.
    fn route<'c>(&self, command: &'c Self::Command) -> Option<&'c str>;

    /// Reads the rows that these commands need, in one snapshot. Exactly these commands are then applied, in this
    /// order.
    fn load(
        &self,
        read: &mut Read<'_>,
        commands: &[&Arrived<Self::Command>],
    ) -> impl Future<Output = Result<Self::Batch, ledger::Error>> + Send;

    /// Applies one command. Must be pure.
    ///
    /// # Errors
    /// The reason to bury it; then it must have changed nothing.
    fn apply(&self, batch: &mut Self::Batch, command: &Arrived<Self::Command>) -> Result<(), Refusal>;

    /// The number to store beside the position; the next batch reads it from [`Read::mark`].
    fn mark(&self, batch: &Self::Batch) -> i64;

    /// Writes the changes. They are rolled back if this is a rehearsal or anything fails.
    fn save(
        &self,
        write: &mut Write<'_>,
        batch: &mut Self::Batch,
    ) -> impl Future<Output = Result<(), ledger::Error>> + Send;

    /// Whether the command must not show in any metric; a batch of only such commands is not measured.
    fn is_secret(&self, _: &Self::Command) -> bool {
        false
    }

    /// Called after a commit, for caches, projections and live events. The call may be lost.
    fn committed(&self, _: Self::Batch, _: Span) {}
}
