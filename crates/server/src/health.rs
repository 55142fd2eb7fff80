//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::Problem;
use wire::Readiness;

use crate::bounds::{HEALTH_CACHE_MS, READY_MS_MAX};
use crate::clock::Clock;
use crate::scheduler::Scheduler;

/// What health routes ask. Answers are kept for a moment, and made by one request at a time: they are open to everybody
/// and cost more than a press.
pub struct Health {
    queue: Option<queue::Queue>,
    reader: Option<store::Reader>,
    scheduler: Option<Arc<Scheduler>>,
    metrics: Option<PrometheusHandle>,
    clock: Clock,
    ready: Kept<(bool, String)>,
    rendered: Kept<String>,
}

/// An answer, and since when it stands, as [`Clock::elapsed_ms`] says it.
type Kept<T> = Mutex<Option<(i64, T)>>;

impl Health {
    /// Asks this inbox, this store and this scheduler, where the process runs them, and shows these metrics.
    pub fn new(
        queue: Option<queue::Queue>,
        reader: Option<store::Reader>,
        scheduler: Option<Arc<Scheduler>>,
        metrics: Option<PrometheusHandle>,
        clock: Clock,
    ) -> Self {
        Self { queue, reader, scheduler, metrics, clock, ready: Kept::default(), rendered: Kept::default() }
    }

    async fn kept<T: Clone>(&self, kept: &Kept<T>, make: impl AsyncFnOnce() -> T) -> T {
        let mut kept = kept.lock().await;
        let elapsed_ms = self.clock.elapsed_ms();
        match &*kept {
            Some((since_ms, answer)) if elapsed_ms - since_ms < HEALTH_CACHE_MS => answer.clone(),
            _ => {
                let answer = make().await;
                *kept = Some((elapsed_ms, answer.clone()));
                answer
            }
        }
    }

    async fn readiness(&self) -> (bool, String) {
        let mut checks = serde_json::Map::new();
        let mut ready = true;
        if let Some(queue) = &self.queue {
            ready &= note(&mut checks, "inbox", within(queue.check()).await);
        }
        if let Some(reader) = &self.reader {
            ready &= note(&mut checks, "store", within(reader.check()).await);
        }
        if let Some(waiting) = self.scheduler.as_ref().and_then(|scheduler| scheduler.waiting()) {
            // Shown only. It does not make the process unready, because another process would wait too.
            note(&mut checks, "schedule", Err(waiting));
        }
        (ready, json!({ "ready": ready, "checks": checks }).to_string())
    }
}

/// The health routes, with their documentation.
pub fn routes() -> OpenApiRouter<Arc<Health>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(show_metrics))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain")
))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether each thing that the process depends on answers, by name. `schedule` says what rounds wait for when a clock was
/// wrong; that does not make it unready.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "All of them", body = Readiness),
        (status = 503, description = "Not all of them", body = Readiness),
    )
)]
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let (ready, body) = health.kept(&health.ready, async || health.readiness().await).await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    serve::json(status, body.into_bytes())
}

async fn within<E: std::fmt::Display>(check: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match tokio::time::timeout(Duration::from_millis(READY_MS_MAX), check).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {READY_MS_MAX} ms")),
    }
}

fn note(
    checks: &mut serde_json::Map<String, serde_json::Value>,
    name: &str,
    result: Result<(), String>,
) -> bool {
    let ok = result.is_ok();
    checks.insert(name.to_owned(), result.map_or_else(|error| error, |()| "ok".to_owned()).into());
    ok
}

/// Metrics as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
        (
            status = 503, description = "The process is starting", body = Problem,
            content_type = "application/problem+json",
        ),
    )
)]
async fn show_metrics(State(health): State<Arc<Health>>) -> Response {
    let render = async || health.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
    let text = health.kept(&health.rendered, render).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
