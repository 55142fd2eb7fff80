//! The role that opens rounds.

use std::sync::Arc;

use engine::clock::{Clock, system_rng};
use futures_util::FutureExt;
use serve::Routes;
use serve::health::Check;
use tokio_util::sync::CancellationToken;

use super::Part;
use crate::admin::Admin;
use crate::bounds::LEAD_MS_MIN;
use crate::config::{Config, Role};
use crate::node::{Context, Inbox, NodeError, StopStage, must_exist};
use crate::router;
use crate::scheduler::{Scheduler, SchedulerOptions};

pub(super) async fn open(context: &Context) -> Result<Part, NodeError> {
    let scheduler = over_table(context).await?;
    let mut part = Part::new(operators_routes(context, &scheduler));
    part.alone = Some("scheduler");
    let waits = Arc::clone(&scheduler);
    part.check("schedule", Check::shown(move || waits.waiting())); // another process would wait for the same
    let run = Arc::clone(&scheduler);
    part.run(StopStage::Loops, |stop| run.run(stop).map(Ok));
    part.close = Box::pin(async move { scheduler.close().await });
    Ok(part)
}

/// A scheduler over the game's table of rounds, which is not running.
pub(super) async fn over_table(context: &Context) -> Result<Arc<Scheduler>, NodeError> {
    let Inbox { queue, .. } = context.inbox().await?;
    let Context { config, clock, store, .. } = context;
    let options = SchedulerOptions {
        cadence: config.rounds.cadence(),
        lead_ms: config.rounds.lead_ms,
        lead_ms_min: if config.inbox.address.is_embedded() { LEAD_MS_MIN } else { config.rounds.lead_ms },
        first_round_ms: config.rounds.first_ms,
        partitions: config.inbox.partitions,
    };
    let schedule = store.schedule().await?;
    Ok(Scheduler::new(schedule, queue.clone(), clock.clone(), system_rng(), options))
}

/// The operators' routes; none without an operator token.
pub(super) fn operators_routes(context: &Context, scheduler: &Arc<Scheduler>) -> Routes {
    let Some(token) = &context.config.http.operator_token else { return Routes::new() };
    let scheduler = Arc::clone(scheduler);
    let admin = Admin { scheduler, token: token.clone(), lead_ms: context.config.rounds.lead_ms };
    router::admin().with_state(Arc::new(admin))
}

/// A scheduler for a CLI command that announces a round. It serves nothing.
pub struct Announcer {
    pub scheduler: Arc<Scheduler>,
    context: Context,
}

impl Announcer {
    /// Opens inbox and store, which must exist.
    ///
    /// # Errors
    /// What could not be opened, or does not match.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, NodeError> {
        must_exist(config)?;
        let mut config = config.clone();
        config.role = Role::Scheduler;
        let context = Context::open(&config, &clock, &CancellationToken::new()).await?;
        let scheduler = over_table(&context).await?;
        Ok(Self { scheduler, context })
    }

    /// Closes the files.
    pub async fn close(&self) {
        self.context.close().await;
        self.scheduler.close().await;
    }
}
