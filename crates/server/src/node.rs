//! One process: opens the parts of its roles, starts them, and stops them in order.

mod context;
mod error;
mod files;
mod gauges;
mod login;
mod open;
mod process;
mod stages;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ::files::Hold;
pub(crate) use context::{Context, Inbox};
use engine::bounds::BACKOFF;
use engine::clock::{Clock, Stopwatch, system_rng};
use engine::run::Backoff;
pub use error::NodeError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
pub(crate) use open::{agreed, check_age, must_exist, receive_wait};
pub use open::{migrated_store, open_existing_ledger, open_existing_queue, open_existing_reader, open_queue};
use rand::RngExt;
use serve::{App, Limits, Routes};
use stages::Stages;
pub(crate) use stages::StopStage;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::bounds::SHUTDOWN_MS_MAX;
use crate::config::Config;
use crate::roles::{self, Part};

/// A running process.
pub struct Node {
    /// Address of the HTTP server.
    pub address: SocketAddr,
    stages: Stages,
    /// Run in this order when every task has stopped.
    closes: Vec<BoxFuture<'static, ()>>,
    /// Locks of the roles that only one process may have on the same files.
    _holds: Vec<Hold>,
}

impl Node {
    /// Opens and starts every part of the process's roles. HTTP is served from the beginning: while the process waits
    /// for a server that does not answer yet, `/readyz` tells which.
    ///
    /// # Errors
    /// [`NodeError`], which names what could not be opened.
    pub async fn start(
        config: &Config,
        metrics: Option<PrometheusHandle>,
        clock: Clock,
    ) -> Result<Self, NodeError> {
        let listen = |source| NodeError::Listen { address: config.http.listen, source };
        let listener = TcpListener::bind(config.http.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let app = Arc::new(App::starting(system_rng().random(), &config.http.cors_origins, elapsed));
        let (limits, answering) = (Limits::of_process(), Arc::clone(&app));
        let mut stages = Stages::new();
        let http = move |stop| serve::serve(listener, answering, limits, stop).map(Ok).boxed();
        stages.spawn(StopStage::Http, Box::new(http));
        let stop = stages.token(StopStage::Loops);
        let parts = open_patiently(config, metrics, &clock, &stop, &app).await?;
        let holds = hold_roles(config, &parts)?;
        let (mut routes, mut closes) = (Routes::new(), Vec::new());
        for part in parts {
            part.tasks.into_iter().for_each(|(stage, task)| stages.spawn(stage, task));
            routes = routes.merge(part.routes);
            closes.push(part.close);
        }
        closes.reverse(); // the shared part closes first, then the parts of the roles
        app.begin(routes);
        info!(%address, role = ?config.role, "listening");
        Ok(Self { address, stages, closes, _holds: holds })
    }

    /// Runs until `asked` completes or a part fails. Then it stops accepting requests, flushes accepted commands, lets
    /// the handler ack what it committed, and closes the files, in at most [`SHUTDOWN_MS_MAX`].
    ///
    /// # Errors
    /// The error of the part that failed.
    pub async fn run(mut self, asked: impl Future<Output = ()>) -> Result<(), NodeError> {
        let result = tokio::select! {
            () = asked => Ok(()),
            error = self.stages.failed() => Err(error),
        };
        info!("stopping");
        let stopping = async {
            self.stages.stop().await;
            for close in self.closes {
                close.await;
            }
        };
        if tokio::time::timeout(Duration::from_millis(SHUTDOWN_MS_MAX), stopping).await.is_err() {
            warn!("stop timed out; unacked messages will be redelivered");
        }
        result
    }
}

/// Opens the parts of the roles. Retries while the error may pass by itself.
async fn open_patiently(
    config: &Config,
    metrics: Option<PrometheusHandle>,
    clock: &Clock,
    stop: &CancellationToken,
    app: &App,
) -> Result<Vec<Part>, NodeError> {
    let (mut tries, mut backoff) = (0, Backoff::new(BACKOFF, clock));
    loop {
        match open_parts(config, metrics.clone(), clock, stop).await {
            Err(error) if error.may_pass(config) => {
                let reason = serve::chain(&error);
                warn!(reason, tries, "waiting to start");
                app.waits_for(&reason);
                clock.pause(backoff.next_pause()).await;
                tries += 1;
            }
            opened => return opened,
        }
    }
}

/// Opens the parts of the roles, then the part that every process has.
async fn open_parts(
    config: &Config,
    metrics: Option<PrometheusHandle>,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Vec<Part>, NodeError> {
    let context = Context::open(config, clock, stop).await?;
    let mut parts = roles::open(&context).await?;
    let shared = process::open(&context, &mut parts, metrics).await;
    parts.push(shared);
    Ok(parts)
}

/// Locks the roles that only one process may have on the same files.
///
/// # Errors
/// [`NodeError::Held`] if another process has one of them.
fn hold_roles(config: &Config, parts: &[Part]) -> Result<Vec<Hold>, NodeError> {
    let Some(path) = open::shared_file(config) else { return Ok(Vec::new()) };
    let file = || path.display().to_string();
    let hold = |role| {
        Hold::take(path, role)
            .map_err(|source| NodeError::Lock { role, file: file(), source })?
            .ok_or_else(|| NodeError::Held { role, file: file() })
    };
    parts.iter().filter_map(|part| part.alone).map(hold).collect()
}

/// The time since the process started, for `serve`, which reads no clock.
fn elapsed() -> Duration {
    static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
    Duration::from_secs_f64(BEGIN.seconds())
}

/// Creates the data folder if it does not exist.
///
/// # Errors
/// [`NodeError::Data`].
pub async fn make_folder(folder: &Path) -> Result<(), NodeError> {
    let wrong = |source| NodeError::Data { folder: folder.display().to_string(), source };
    // Only the owner may read device tokens and the schedule.
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await.map_err(wrong)
}
