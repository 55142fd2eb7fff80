//! The part that every process has, whatever its roles: health, gauges, watches, and ranks that several roles share.

use std::sync::Arc;

use futures_util::FutureExt;
use metrics_exporter_prometheus::PrometheusHandle;
use serve::Routes;
use serve::health::{Check, Checks, Health};

use super::context::close;
use super::gauges::Gauges;
use super::{Context, StopStage, elapsed, files, login};
use crate::rebuilder::Rebuilder;
use crate::roles::Part;
use crate::router;

/// Opens the part, and moves the health checks of the roles' parts into it.
pub(super) async fn open(context: &Context, parts: &mut [Part], metrics: Option<PrometheusHandle>) -> Part {
    let Context { config, clock, store, .. } = context;
    let queue = context.opened_queue();
    let reader = if parts.iter().any(|part| part.needs_store) {
        Some(context.reader.clone())
    } else {
        context.reader.close().await;
        None
    };
    let mut part = Part::new(Routes::new());
    if let Some(queue) = queue.clone() {
        let ask = move || {
            let queue = queue.clone();
            async move { queue.check().await }
        };
        part.check("inbox", Check::needed(ask));
    }
    if let Some(ranks) = context.ranks.clone() {
        part.run(StopStage::Ranks, |stop| async move {
            ranks.run(stop).await;
            Ok(())
        });
    }
    if let Some(reader) = reader.clone() {
        let store = store.clone();
        part.run(StopStage::Loops, |stop| login::watch(store, stop));
        if let Some(ranks) = context.ranks.clone() {
            let rebuilder = Rebuilder { ranks, reader: reader.clone(), clock: clock.clone() };
            part.run(StopStage::Loops, |stop| rebuilder.run(stop).map(|ended| Ok(ended?)));
        }
        let ask = move || {
            let reader = reader.clone();
            async move { reader.check().await }
        };
        part.check("store", Check::needed(ask));
    }
    let gauges = Gauges::new(config, queue.clone(), clock.clone(), metrics.clone());
    part.run(StopStage::Loops, |stop| gauges.run(stop));
    let (watched, read) = (queue.clone(), reader.clone());
    part.run(StopStage::Loops, |stop| files::watch(watched, read, stop).map(Ok));
    let mut checks = std::mem::take(&mut part.checks);
    checks.extend(parts.iter_mut().flat_map(|part| std::mem::take(&mut part.checks)));
    part.routes = health(checks, metrics);
    part.close = Box::pin(close(queue, reader));
    part
}

fn health(checks: Checks, metrics: Option<PrometheusHandle>) -> Routes {
    let render = move || metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
    router::health().with_state(Arc::new(Health::new(checks, Box::new(render), elapsed)))
}
