//! Responses that several routes share, for the API description.

use utoipa::IntoResponses;
use wire::Problem;

/// The responses if a body cannot be read.
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
