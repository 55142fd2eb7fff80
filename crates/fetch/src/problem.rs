//! How a failure of the store becomes a response.

use axum::response::Response;
use serve::bounds::RETRY_AFTER_MS;
use serve::{Cause, chain, problem};
use wire::{Problem, ProblemKind};

/// The answer to a failure of the store: 503 when trying again may help, with this process or with the one that takes its
/// place when its login was refused, else 500; the cause goes to the log only.
pub(crate) fn store_problem(error: &store::Error) -> Response {
    let told = if error.is_transient() || error.is_login_refused() {
        Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS)
    } else {
        Problem::new(ProblemKind::Internal)
    };
    let mut response = problem(&told);
    response.extensions_mut().insert(Cause(chain(error)));
    response
}
