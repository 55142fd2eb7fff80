//! The role that sends pushes.

use engine::clock::system_rng;
use futures_util::FutureExt;
use rand::RngExt;
use serve::Routes;

use super::Part;
use crate::config::PushSink;
use crate::node::{Context, NodeError, StopStage};
use crate::push::{Pusher, Sink};

pub(super) async fn open(context: &Context) -> Result<Part, NodeError> {
    let outbox = context.store.outbox().await?;
    let sink = match context.config.push.sink {
        PushSink::Log => Sink::Log,
        PushSink::Record => Sink::Record(context.config.files.data.join("pushes.jsonl")),
    };
    let owner = format!("{:016x}", system_rng().random::<u64>());
    let pusher = Pusher::new(outbox.clone(), sink, context.clock.clone(), owner);
    let mut part = Part::new(Routes::new());
    part.run(StopStage::Loops, |stop| pusher.run(stop).map(Ok));
    part.close = Box::pin(async move { outbox.close().await });
    Ok(part)
}
