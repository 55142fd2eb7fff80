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

/// A process that runs.
pub struct Node {
    /// Where HTTP is served.
    pub address: SocketAddr,
    stages: Stages,
    /// What is closed when everything has stopped, in this order.
    closes: Vec<BoxFuture<'static, ()>>,
    /// The roles that no other process may have on the same files.
    _holds: Vec<Hold>,
}

impl Node {
    /// Opens and starts everything that the role has. Serves HTTP from the beginning: while it waits for a server that
    /// does not answer yet, `/readyz` says what it waits for.
    ///
    /// # Errors
    /// [`NodeError`], with what could not be opened.
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
        closes.reverse(); // first what all roles share, then what each has for itself
        app.begin(routes);
        info!(%address, role = ?config.role, "listening");
        Ok(Self { address, stages, closes, _holds: holds })
    }

    /// Runs until `asked` to stop, or until a part must not go on; then stops accepting, flushes what was taken, lets
    /// the handler ack what it committed, and closes the files. Takes at most [`SHUTDOWN_MS_MAX`].
    ///
    /// # Errors
    /// The reason why a part could not go on.
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
            warn!("the stop was cut short; what was not acked comes again");
        }
        result
    }
}

/// Opens what the roles need, again and again while what is missing may come by itself.
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

/// Opens the parts of the roles, then what every process has.
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

/// Makes this the only process with these roles on these files.
///
/// # Errors
/// [`NodeError::Held`] while another process has one.
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

/// How much time has passed in this process, for `serve`, which reads no clock.
fn elapsed() -> Duration {
    static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
    Duration::from_secs_f64(BEGIN.seconds())
}

/// Makes the data folder if it is not there.
///
/// # Errors
/// [`NodeError::Data`].
pub async fn make_folder(folder: &Path) -> Result<(), NodeError> {
    let wrong = |source| NodeError::Data { folder: folder.display().to_string(), source };
    // Device tokens and the schedule are nobody else's business.
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await.map_err(wrong)
}
