//! The role that takes commands of players.

use std::sync::Arc;

use engine::batcher::{Batcher, BatcherOptions};
use engine::bounds::RESEND_MS_MAX;
use engine::clock::system_rng;
use futures_util::FutureExt;
use rand::RngExt;

use super::{Part, scheduler};
use crate::config::Role;
use crate::ingest::Ingest;
use crate::node::{Context, Inbox, NodeError, StopStage};
use crate::router;

pub(super) async fn open(context: &Context) -> Result<Part, NodeError> {
    let Inbox { queue, .. } = context.inbox().await?;
    let Context { config, clock, .. } = context;
    let options = BatcherOptions {
        partitions: config.inbox.partitions,
        envelope_bytes_max: config.inbox.envelope_bytes_max,
        // New for each start: ids of envelopes are never used again.
        node: format!("{:016x}", system_rng().random::<u64>()),
        resend_ms_max: RESEND_MS_MAX,
    };
    let batcher = Arc::new(Batcher::new(queue.clone(), clock.clone(), options));
    let ingest = Ingest::new(Arc::clone(&batcher), clock.clone(), config.http.auth, config.inbox.partitions);
    let mut part = Part::new(router::ingest().with_state(Arc::new(ingest)));
    part.needs_store = false; // from here on it depends on the inbox alone
    part.run(StopStage::Flush, |stop| batcher.run(stop).map(Ok));
    // Operators reach it as phones do. A scheduler in the same process serves them itself.
    if config.http.operator_token.is_some() && !config.role.has(Role::Scheduler) {
        let scheduler = scheduler::over_table(context).await?;
        part.routes = part.routes.merge(scheduler::operators_routes(context, &scheduler));
        part.close = Box::pin(async move { scheduler.close().await });
    }
    Ok(part)
}
