//! What only a database can do to a writer, done on demand: compiled for tests alone.

use std::fmt::Debug;
use std::pin::Pin;

use crate::{Error, Span};

/// What goes wrong.
#[derive(Debug)]
pub enum Injected {
    /// Nothing.
    None,
    /// The fence does not hold, as if somebody else had moved the partition.
    Fenced,
    /// This error: before a write nothing of it is done; after a commit all of it is.
    Error(Error),
}

/// Who says what goes wrong.
pub trait Faults: Debug + Send + Sync {
    /// Asked before a write begins; it begins when this is ready.
    fn before_write(&self, span: Span) -> Pin<Box<dyn Future<Output = Injected> + Send + '_>>;

    /// Asked when a commit has succeeded, before anybody learns of it.
    fn after_commit(&self, span: Span) -> Injected;
}
