//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bounds::READY_MS_MAX;

/// What health routes ask.
pub struct Health {
    /// The inbox, where this process uses it.
    pub queue: Option<queue::Queue>,
    /// The store, where this process uses it.
    pub reader: Option<store::Reader>,
    /// What `/metrics` shows.
    pub metrics: Option<PrometheusHandle>,
}

/// The health routes, with their documentation.
pub fn routes() -> OpenApiRouter<Arc<Health>> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(show_metrics))
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, description = "It does")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether each thing that the process depends on answers, by name.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "All of them"), (status = 503, description = "Not all of them"))
)]
async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let mut checks = serde_json::Map::new();
    let mut ready = true;
    if let Some(queue) = &health.queue {
        ready &= note(&mut checks, "inbox", within(queue.check()).await);
    }
    if let Some(reader) = &health.reader {
        ready &= note(&mut checks, "store", within(reader.check()).await);
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fetch::json(status, json!({ "ready": ready, "checks": checks }).to_string().into_bytes())
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
    responses((status = 200, description = "Prometheus text", content_type = "text/plain"))
)]
async fn show_metrics(State(health): State<Arc<Health>>) -> Response {
    let text = health.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
