//! The accept loop: like axum's own, with a bound on connections and on how long one may be silent.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::App;
use crate::bounds::{CONNECTION_BYTES_MAX, CONNECTIONS_MAX, FILES_RESERVED, HEAD_MS_MAX};

/// Serves until `stop`, then lets the requests in progress end.
pub async fn serve(listener: TcpListener, app: Arc<App>, connections_max: usize, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(connections_max));
    while let Some(permit) = stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly out of file descriptors: some become free when connections end.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(crate::clock::backoff(1)).await;
                continue;
            }
        };
        let connection = connection(stream, Arc::clone(&app), &graceful);
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// How many connections this process can have: raises the limit of open files as far as it may, once.
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
        warn!(files, connections, "the limit of open files allows fewer connections than this program does");
    }
    connections.clamp(16, CONNECTIONS_MAX)
}

/// What a connection has done, for the watch over it.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    answered: AtomicU64,
    /// Live events go on without requests; they keep themselves alive.
    live: AtomicBool,
}

fn connection(
    stream: TcpStream,
    app: Arc<App>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot set TCP_NODELAY");
    }
    let activity = Arc::new(Activity::default());
    let watched = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let (app, activity) = (Arc::clone(&app), Arc::clone(&activity));
        async move {
            activity.begun.fetch_add(1, Ordering::Relaxed);
            let response = app.answer(request).await;
            let events = HeaderValue::from_static("text/event-stream");
            if response.headers().get(header::CONTENT_TYPE) == Some(&events) {
                activity.live.store(true, Ordering::Relaxed);
            }
            activity.answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(CONNECTION_BYTES_MAX);
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    async move {
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                debug!(%error, "connection ended");
            },
            () = silence(&watched) => debug!("connection closed: silent for too long"),
        }
    }
}

/// Ends when nothing was asked for a whole span of time: one timer for each connection, not one for each request.
async fn silence(activity: &Activity) {
    let mut seen = None;
    loop {
        tokio::time::sleep(Duration::from_millis(HEAD_MS_MAX)).await;
        let begun = activity.begun.load(Ordering::Relaxed);
        let busy =
            begun != activity.answered.load(Ordering::Relaxed) || activity.live.load(Ordering::Relaxed);
        if !busy && seen.replace(begun) == Some(begun) {
            return;
        }
    }
}
