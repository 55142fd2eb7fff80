//! Operators' routes. Without an operator token they do not exist.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serve::bounds::RETRY_AFTER_MS;
use serve::{Cause, bearer_token, discard, json, problem, same_secret};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::{OpenRoundBody, Problem, ProblemKind, RoundView};

use crate::scheduler::{OpenError, Scheduler};

/// What the operators' routes need.
pub struct Admin {
    /// Who opens rounds.
    pub scheduler: Arc<Scheduler>,
    /// What operators must present.
    pub token: String,
    /// The lead of a round when none is asked for.
    pub lead_ms: i64,
}

/// The operators' routes, with their documentation.
pub fn routes() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new().routes(routes!(open_round))
}

/// Announce a round that opens after the lead.
#[utoipa::path(
    post, path = "/admin/rounds", tag = "admin",
    request_body(content = OpenRoundBody, example = json!({"lead_ms": 2000})),
    responses(
        (status = 202, description = "Every partition has the announcement durably", body = RoundView),
        (status = 400, description = "Malformed or invalid", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No operator token, or a wrong one", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It would overlap another round for some player", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "More than 16 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It may or may not open; look before you try again", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator" = []))
)]
async fn open_round(State(admin): State<Arc<Admin>>, headers: HeaderMap, request: Request) -> Response {
    let is_operator = |token| same_secret(token, admin.token.as_bytes());
    if !bearer_token(&headers).is_some_and(is_operator) {
        discard(request.into_body()).await;
        return problem(&Problem::new(ProblemKind::Unauthorized));
    }
    let body = match serve::body(request.into_body()).await {
        Ok(body) => body,
        Err(told) => return problem(&told),
    };
    let lead_ms = match wire::lead_ms(&body) {
        Ok(lead_ms) => lead_ms.unwrap_or(admin.lead_ms),
        Err(errors) => return problem(&Problem::invalid(errors)),
    };
    match admin.scheduler.open_now(lead_ms).await {
        Ok(round) => {
            let closes_at = round.closes_at_ms(game::Round::BASE_HALVES);
            let view = RoundView { round: round.id, opens_at: round.opens_at_ms, closes_at };
            json(StatusCode::ACCEPTED, serde_json::to_vec(&view).unwrap_or_default())
        }
        Err(overlaps @ OpenError::Overlaps { wait_ms, .. }) => {
            let told = Problem::new(ProblemKind::RoundOverlaps).with_detail(overlaps.to_string());
            problem(&told.with_retry_after_ms(wait_ms))
        }
        Err(OpenError::Invalid(invalid)) => problem(&invalid.into()),
        Err(OpenError::Failed(error)) => {
            let told = Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS);
            let mut response = problem(&told);
            response.extensions_mut().insert(Cause(error.to_string()));
            response
        }
    }
}
