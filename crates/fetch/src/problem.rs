//! How a failure of the store is answered.

use serve::{Refused, chain};

/// The answer to a failure of the store: 503 when trying again may help, with this process or with the one that takes its
/// place when its login was refused, else 500; the cause goes to the log only.
pub(crate) fn store_failed(error: &store::Error) -> Refused {
    let may_pass = error.is_transient() || error.is_login_refused();
    if may_pass { Refused::unavailable(chain(error)) } else { Refused::internal(chain(error)) }
}
