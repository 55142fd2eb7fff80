//! Operators' routes. They exist only if there is an operator token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serve::{BodyRefusals, Durable, Refused, bearer_token, body, discard, same_secret};
use wire::{OpenRoundBody, Problem, ProblemKind, RoundView};

use crate::scheduler::{OpenError, Scheduler};

/// The state of the operators' routes.
pub struct Admin {
    pub scheduler: Arc<Scheduler>,
    /// The bearer token of operators.
    pub token: String,
    /// The default lead of a round, in milliseconds.
    pub lead_ms: i64,
}

/// Announce a round that opens after the lead.
#[utoipa::path(
    post, path = "/admin/rounds", tag = "admin",
    request_body(content = OpenRoundBody, example = json!({"lead_ms": 2000})),
    responses(
        (status = 202, description = "Every partition has the announcement durably", body = RoundView),
        (status = 401, description = "No operator token, or a wrong one", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It would overlap another round for some player", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It may or may not open; look before you try again", body = Problem, content_type = "application/problem+json"),
        BodyRefusals,
    ),
    security(("operator" = []))
)]
pub(crate) async fn open_round(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Durable<RoundView>, Refused> {
    let is_operator = |token| same_secret(token, admin.token.as_bytes());
    if !bearer_token(&headers).is_some_and(is_operator) {
        discard(request.into_body()).await;
        return Err(ProblemKind::Unauthorized.into());
    }
    let body = body(request.into_body()).await?;
    let lead_ms = wire::lead_ms(&body)?.unwrap_or(admin.lead_ms);
    let round = admin.scheduler.open_now(lead_ms).await?;
    let closes_at = round.closes_at_ms(game::Round::BASE_HALVES);
    Ok(Durable(RoundView { round: round.id, opens_at: round.opens_at_ms, closes_at }))
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        match error {
            overlaps @ OpenError::Overlaps { wait_ms, .. } => {
                let told = Problem::new(ProblemKind::RoundOverlaps).with_detail(overlaps.to_string());
                told.with_retry_after_ms(wait_ms).into()
            }
            OpenError::Invalid(invalid) => invalid.into(),
            OpenError::Failed(error) => Self::unavailable(error),
        }
    }
}
