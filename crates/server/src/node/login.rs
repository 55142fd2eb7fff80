//! Ends the process when the database rejects its login for good: the password was rotated, and only a restart brings
//! the new one.

use std::time::Duration;

use store::Store;
use tokio_util::sync::CancellationToken;

use super::NodeError;
use crate::bounds::{LOGIN_PAUSE_MS, LOGIN_TRIES};

/// Watches until `stop`. It opens no connection by itself: a rejected login is noticed when a new connection is needed.
///
/// # Errors
/// [`NodeError::Login`] when the login was rejected and all retries were too.
pub(super) async fn watch(store: Store, stop: CancellationToken) -> Result<(), NodeError> {
    while stop.run_until_cancelled(pause()).await.is_some() {
        if store.login_was_refused()
            && let Some(Err(error)) = stop.run_until_cancelled(retry(&store)).await
        {
            return Err(NodeError::Login(error));
        }
    }
    Ok(())
}

/// Retries a rejected login. Fails if every attempt is rejected; any other outcome is no reason to end the process.
async fn retry(store: &Store) -> Result<(), store::Error> {
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
