//! The seam between the handler's loop and the rules that it serves.

use ledger::{Read, Span, Write};

use super::{Arrived, Refusal};
use crate::envelope::Entry;

/// What a crowd does with its commands. The loop owns both transactions of a batch, the position with its fence, the
/// journal and the dead letters; the crowd brings its rows and its rules.
pub trait Crowd: Send + Sync + 'static {
    /// A command that was read and checked.
    type Command: Send + Sync;
    /// What a batch works on: what `load` read, `apply` and `save` changed, and `committed` shows.
    type Batch: Send;

    /// Reads a command.
    ///
    /// # Errors
    /// The reason why it is none.
    fn decode(&self, entry: &Entry<'_>) -> Result<Self::Command, Refusal>;

    /// Whose the command is: the hash of this names its partition. `None`: every partition has it.
    fn route<'c>(&self, command: &'c Self::Command) -> Option<&'c str>;

    /// Reads what these commands need, at one moment: exactly those that are then applied, in order.
    fn load(
        &self,
        read: &mut Read<'_>,
        commands: &[&Arrived<Self::Command>],
    ) -> impl Future<Output = Result<Self::Batch, ledger::Error>> + Send;

    /// Applies one command: pure.
    ///
    /// # Errors
    /// The reason to bury it; then it has changed nothing.
    fn apply(&self, batch: &mut Self::Batch, command: &Arrived<Self::Command>) -> Result<(), Refusal>;

    /// The number that stands beside the position from now on; the next batch finds it in [`Read::mark`].
    fn mark(&self, batch: &Self::Batch) -> i64;

    /// Writes what has changed. All of it is taken back if this is a rehearsal, or if anything fails.
    fn save(
        &self,
        write: &mut Write<'_>,
        batch: &mut Self::Batch,
    ) -> impl Future<Output = Result<(), ledger::Error>> + Send;

    /// Whether nothing may show yet that this command was applied, not even a count: batches of nothing else are not
    /// measured.
    fn is_secret(&self, _: &Self::Command) -> bool {
        false
    }

    /// Told after a commit: for what is remembered, for projections and live events. It may be lost.
    fn committed(&self, _: Self::Batch, _: Span) {}
}
