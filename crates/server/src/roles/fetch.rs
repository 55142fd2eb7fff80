//! The role that serves reads, the page and live events.

use std::sync::Arc;

use engine::live::Hub;
use fetch::FetchState;
use futures_util::FutureExt;

use super::Part;
use crate::config::Role;
use crate::live::feed::Feed;
use crate::node::{Context, NodeError, StopStage, agreed};
use crate::page::Page;
use crate::router;

pub(super) async fn open(context: &Context) -> Result<Part, NodeError> {
    let Context { config, clock, reader, ranks, .. } = context;
    agreed(config, reader).await?;
    // Half of the connections, so that listeners never keep presses out.
    let hub = Hub::new(clock.clone(), serve::connections_max() / 2, context.stop.clone());
    let state = FetchState {
        reader: reader.clone(),
        ranks: ranks.clone(),
        partitions: config.inbox.partitions,
        auth: config.http.auth,
        now_ms: clock.as_fn(),
    };
    let token = config.http.operator_token.as_deref().filter(|_| config.role == Role::Dev);
    let routes = router::fetch()
        .with_state(state)
        .merge(router::live().with_state(Arc::clone(&hub)))
        .merge(router::page().with_state(Arc::new(Page::new(token))));
    let feed = Feed {
        hub,
        reader: reader.clone(),
        ranks: ranks.clone(),
        clock: clock.clone(),
        poke: Arc::clone(&context.committed),
    };
    let mut part = Part::new(routes);
    part.run(StopStage::Loops, |stop| feed.run(stop).map(Ok));
    Ok(part)
}
