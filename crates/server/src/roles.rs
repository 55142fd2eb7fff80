//! Roles of a process. A process has those that its command names; `dev` and `all` have all.

mod fetch;
mod handler;
mod ingest;
mod push;
mod scheduler;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serve::Routes;
use serve::health::{Check, Checks};
use tokio_util::sync::CancellationToken;

pub use self::scheduler::Announcer;
use crate::config::Role;
use crate::node::{Context, NodeError, StopStage};

/// A task that runs until its token is cancelled.
pub(crate) type Task = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), NodeError>> + Send>;

/// What a role adds to its process.
pub(crate) struct Part {
    pub(crate) routes: Routes,
    /// Its tasks, each with the stage of a stop at which it ends.
    pub(crate) tasks: Vec<(StopStage, Task)>,
    /// Its checks for `/readyz`.
    pub(crate) checks: Checks,
    /// Whether it still needs the store after the start.
    pub(crate) needs_store: bool,
    /// Its name, if only one process may have the role on the same files.
    pub(crate) alone: Option<&'static str>,
    /// Closes what only this role has opened, when everything has stopped.
    pub(crate) close: BoxFuture<'static, ()>,
}

impl Part {
    /// A part with these routes and nothing else yet.
    pub(crate) fn new(routes: Routes) -> Self {
        Self {
            routes,
            tasks: Vec::new(),
            checks: Checks::new(),
            needs_store: true,
            alone: None,
            close: async {}.boxed(),
        }
    }

    /// Adds a task that ends at this stage of a stop.
    pub(crate) fn run<F>(
        &mut self,
        stage: StopStage,
        task: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        self.tasks.push((stage, Box::new(|stop| task(stop).boxed())));
    }

    /// Adds a check to `/readyz`.
    pub(crate) fn check(&mut self, name: &'static str, check: Check) {
        self.checks.push((name, check));
    }
}

/// Opens the roles of a process.
///
/// # Errors
/// What could not be opened, or does not match.
pub(crate) async fn open(context: &Context) -> Result<Vec<Part>, NodeError> {
    let mut parts = Vec::new();
    for role in context.config.role.list() {
        parts.push(match role {
            Role::Handler => handler::open(context).await?,
            Role::Ingest => ingest::open(context).await?,
            Role::Scheduler => scheduler::open(context).await?,
            Role::Fetch => fetch::open(context).await?,
            Role::Push => push::open(context).await?,
            Role::Dev | Role::All | Role::Tool => continue, // those are lists themselves
        });
    }
    Ok(parts)
}
