//! The accept loop: like axum's own, with bounds on connections.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::App;
use crate::bounds::{ACCEPT_PAUSE, CONNECTIONS_MAX, FILES_RESERVED, SILENCE_MAX, UNACKED_MAX};
use crate::connection;

/// Limits of the connections of a process.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of open connections.
    pub connections: usize,
    /// How long a connection may be idle before it is closed; at most half as long again.
    pub silence: Duration,
    /// How long sent data may stay unacknowledged, or find no room on the other side.
    pub unacked: Duration,
}

impl Limits {
    pub fn of_process() -> Self {
        Self { connections: connections_max(), silence: SILENCE_MAX, unacked: UNACKED_MAX }
    }
}

/// Serves until `stop`, then waits for the requests in progress.
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    while let Some(permit) = stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Usually out of file descriptors; some become free when connections end.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection::serve(stream, Arc::clone(&app), &limits, &graceful);
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The number of connections that this process can have. The first call raises the limit of open files.
pub fn connections_max() -> usize {
    static CONNECTIONS: OnceLock<usize> = OnceLock::new();
    *CONNECTIONS.get_or_init(raise_limit)
}

fn raise_limit() -> usize {
    let wanted = (CONNECTIONS_MAX + FILES_RESERVED) as u64;
    let files = rlimit::increase_nofile_limit(wanted).unwrap_or_else(|error| {
        warn!(%error, "cannot read the limit of open files");
        1024
    });
    let connections = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(FILES_RESERVED);
    if connections < CONNECTIONS_MAX {
        warn!(files, connections, "the limit of open files reduces the number of connections");
    }
    connections.clamp(16, CONNECTIONS_MAX)
}
