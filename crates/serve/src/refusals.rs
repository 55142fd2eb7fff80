//! Answers that several routes have in common, for the description of the API.

use utoipa::IntoResponses;
use wire::Problem;

/// What reading a body may come to.
#[derive(IntoResponses)]
pub enum BodyRefusals {
    /// Malformed or invalid
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The body did not arrive in time
    #[response(status = 408, content_type = "application/problem+json")]
    TimedOut(Problem),
    /// More than 16 KiB
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
}
