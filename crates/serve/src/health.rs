//! `/healthz`, `/readyz` and `/metrics`. The checks are functions, because this crate knows no dependency of a
//! process.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Mutex;
use wire::{Problem, Readiness};

use crate::app::Elapsed;
use crate::bounds::{HEALTH_CACHE, READY_TIME_MAX};

/// A check of `/readyz`.
pub enum Check {
    /// The process is not ready while this fails, or takes longer than [`READY_TIME_MAX`].
    Needed(Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>),
    /// Shown if it returns a text; the process stays ready.
    Shown(Box<dyn Fn() -> Option<String> + Send + Sync>),
}

impl Check {
    /// A check of a dependency.
    pub fn needed<F, E>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        Self::Needed(Box::new(move || {
            let asked = ask();
            Box::pin(async { asked.await.map_err(|error| error.to_string()) })
        }))
    }

    /// A check that is only shown.
    pub fn shown(tell: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self::Shown(Box::new(tell))
    }
}

/// The checks, by their names in the response.
pub type Checks = Vec<(&'static str, Check)>;

/// Renders the metrics of the process for Prometheus.
pub type Render = Box<dyn Fn() -> String + Send + Sync>;

/// The state of the health routes. Responses are cached for a moment and made by one request at a time, because
/// anybody may ask and they cost more than a press.
pub struct Health {
    checks: Checks,
    render: Render,
    elapsed: Elapsed,
    ready: Kept<(bool, String)>,
    rendered: Kept<String>,
}

/// A cached response, and the time at which it was made.
type Kept<T> = Mutex<Option<(Duration, T)>>;

impl Health {
    /// Health with these checks and metrics.
    pub fn new(checks: Checks, render: Render, elapsed: Elapsed) -> Self {
        Self { checks, render, elapsed, ready: Kept::default(), rendered: Kept::default() }
    }

    async fn kept<T: Clone>(&self, kept: &Kept<T>, make: impl AsyncFnOnce() -> T) -> T {
        let mut kept = kept.lock().await;
        let elapsed = (self.elapsed)();
        match &*kept {
            Some((since, answer)) if elapsed.saturating_sub(*since) < HEALTH_CACHE => answer.clone(),
            _ => {
                let answer = make().await;
                *kept = Some((elapsed, answer.clone()));
                answer
            }
        }
    }

    async fn readiness(&self) -> (bool, String) {
        let mut checks = serde_json::Map::new();
        let mut ready = true;
        for (name, check) in &self.checks {
            let said = match check {
                Check::Needed(ask) => {
                    let failed = with_timeout(ask()).await.err();
                    ready &= failed.is_none();
                    Some(failed.unwrap_or_else(|| "ok".to_owned()))
                }
                Check::Shown(tell) => tell(),
            };
            checks.extend(said.map(|said| ((*name).to_owned(), said.into())));
        }
        (ready, json!({ "ready": ready, "checks": checks }).to_string())
    }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain")
))]
pub async fn healthz() -> &'static str {
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
pub async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let (ready, body) = health.kept(&health.ready, async || health.readiness().await).await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    crate::json(status, body.into_bytes())
}

async fn with_timeout(check: BoxFuture<'static, Result<(), String>>) -> Result<(), String> {
    match tokio::time::timeout(READY_TIME_MAX, check).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} ms", READY_TIME_MAX.as_millis())),
    }
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
pub async fn show_metrics(State(health): State<Arc<Health>>) -> Response {
    let text = health.kept(&health.rendered, async || (health.render)()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
