//! Faults that only a database can cause, injected on demand; compiled for tests only.

use std::fmt::Debug;
use std::pin::Pin;

use crate::{Error, Span};

/// An injected fault.
#[derive(Debug)]
pub enum Injected {
    None,
    /// As if another handler had moved the partition.
    Fenced,
    /// Before a write: nothing of it is done. After a commit: all of it is.
    Error(Error),
}

/// Decides which fault occurs.
pub trait Faults: Debug + Send + Sync {
    /// Called before a write begins, which waits for it.
    fn before_write(&self, span: Span) -> Pin<Box<dyn Future<Output = Injected> + Send + '_>>;

    /// Called after a commit has succeeded, before the caller learns of it.
    fn after_commit(&self, span: Span) -> Injected;
}
