//! The response to an error of the store.

use serve::{Refused, chain};

/// The response to an error of the store: 503 when a retry may help, in this process or, after a rejected login, in the
/// one that replaces it; otherwise 500. The cause is logged only.
pub(crate) fn store_failed(error: &store::Error) -> Refused {
    let may_pass = error.is_transient() || error.is_login_refused();
    if may_pass { Refused::unavailable(chain(error)) } else { Refused::internal(chain(error)) }
}
