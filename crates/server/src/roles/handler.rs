//! The role that applies commands.

use std::sync::Arc;

use engine::Handler;
use ledger::Identity;
use serve::Routes;

use super::Part;
use crate::bounds::HANDLER_LOOPS_MAX;
use crate::button::Button;
use crate::node::{Context, Inbox, NodeError, StopStage, receive_wait};

pub(super) async fn open(context: &Context) -> Result<Part, NodeError> {
    let Inbox { queue, generation } = context.inbox().await?;
    let ledger = context.ledger().await?.clone();
    let Context { config, clock, ranks, committed, .. } = context;
    let button = Arc::new(Button::new(clock.clone(), ranks.clone(), Arc::clone(committed)));
    let identity = Identity {
        inbox_id: queue.inbox_id().to_owned(),
        generation: *generation,
        partitions: config.inbox.partitions,
    };
    let wait = receive_wait(config);
    let mut part = Part::new(Routes::new());
    // Two processes would still apply everything once, but the ranks in the memory of each would lack what the other
    // applied.
    part.alone = Some("handler");
    for _ in 0..config.inbox.partitions.min(HANDLER_LOOPS_MAX) {
        let (queue, ledger, button) = (queue.clone(), ledger.clone(), Arc::clone(&button));
        let (clock, identity) = (clock.clone(), identity.clone());
        let handler = Handler::new(queue, ledger, button, clock, identity, config.inbox.visibility_ms);
        part.run(StopStage::Loops, move |stop| {
            let run = Box::pin(handler.run(wait, stop)); // it is large
            async move { run.await.map_err(NodeError::Handler) }
        });
    }
    part.close = Box::pin(async move { ledger.close().await });
    Ok(part)
}
