//! Responses while the process is starting.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use wire::{Problem, ProblemKind};

use crate::bounds::RETRY_AFTER_MS;
use crate::{json, problem};

/// The response for this path while the process waits for `reason`.
pub(crate) fn answer(path: &str, reason: &str) -> Response {
    match path {
        "/healthz" => "ok\n".into_response(),
        "/readyz" => {
            let body = json!({ "ready": false, "checks": { "start": reason } }).to_string();
            json(StatusCode::SERVICE_UNAVAILABLE, body.into_bytes())
        }
        _ => problem(&Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS)),
    }
}
