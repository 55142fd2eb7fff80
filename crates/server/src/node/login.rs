//! A login that the store refuses for good: its password was changed. The process ends, so that whoever started it starts
//! it again with the present one; it cannot ask for that itself.

use std::time::Duration;

use store::Store;
use tokio_util::sync::CancellationToken;

use super::NodeError;
use crate::bounds::{LOGIN_PAUSE_MS, LOGIN_TRIES};

/// Watches until `stop`. As long as no new connection is needed, nobody notices a change, and nothing is asked.
///
/// # Errors
/// [`NodeError::Login`] when a login was refused, and then again and again.
pub(super) async fn watch(store: Store, stop: CancellationToken) -> Result<(), NodeError> {
    while stop.run_until_cancelled(pause()).await.is_some() {
        if store.login_was_refused()
            && let Some(Err(error)) = stop.run_until_cancelled(insist(&store)).await
        {
            return Err(NodeError::Login(error));
        }
    }
    Ok(())
}

/// Whether the login is refused at every try; anything else that happens is no reason to end.
async fn insist(store: &Store) -> Result<(), store::Error> {
    let mut tries = 1;
    loop {
        match store.log_in().await {
            Err(error) if error.is_login_refused() && tries < LOGIN_TRIES => tries += 1,
            Err(error) if error.is_login_refused() => return Err(error),
            _ => return Ok(()),
        }
        pause().await;
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(LOGIN_PAUSE_MS)).await;
}
