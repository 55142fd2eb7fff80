//! One process: opens what its role needs, starts the role's parts, and stops them in order.

mod files;
mod login;
mod open;
mod parts;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use engine::Handler;
use engine::handler::StepError;
use engine::run::Backoff;
use futures_util::FutureExt;
use ledger::Identity;
use metrics_exporter_prometheus::PrometheusHandle;
pub(crate) use open::check_age;
pub use open::{migrated_store, open_existing_ledger, open_existing_queue, open_existing_reader, open_queue};
pub use parts::Parts;
use rand::RngExt;
use serve::{App, Limits};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::bounds::{BACKOFF_MS, GAUGES_MS, HANDLER_LOOPS_MAX, HTTP_STOP_MS_MAX, SHUTDOWN_MS_MAX};
use crate::clock::{Clock, Stopwatch, system_rng};
use crate::config::{Config, PushSink, Role};
use crate::live::feed::Feed;
use crate::push::{Pusher, Sink};
use crate::rebuilder::Rebuilder;

/// Why a process does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder of the data.
    #[error("cannot use the data folder {folder}")]
    Data {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is not there.
    #[error("cannot open the {what} {file}")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An inbox that cannot be opened, or not by this version.
    #[error("cannot open the inbox {place}")]
    OpenInbox {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: queue::Error,
    },
    /// A store that cannot be opened, or not by this version.
    #[error("cannot open the store {place}")]
    OpenStore {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: store::Error,
    },
    /// The address of the ranks.
    #[error("cannot use the board {place}")]
    Ranks {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: ranks::Error,
    },
    /// A new game, of which nobody has decided what it belongs to.
    #[error("no game has begun in this store: run `buttonparty migrate` first")]
    Unsettled,
    /// The inbox.
    #[error("cannot use the inbox")]
    Queue(#[from] queue::Error),
    /// The store.
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// The inbox is older than what was applied from it.
    #[error(
        "the inbox is older than the store: the store has applied message {applied}, the inbox has only given out \
         {given}. It was restored from a backup; restore the store that belongs to it, or move the inbox's files away \
         and adopt a new one (buttonparty migrate --adopt-inbox)"
    )]
    InboxOlder {
        /// The highest sequence that the store has applied.
        applied: u128,
        /// The highest sequence that the inbox has given out.
        given: u128,
    },
    /// Another process has the role on the same files.
    #[error(
        "another process with the role {role} is using {file}: it runs, or is still stopping (for 10 s at most). Files \
         have one {role}, as part of `all` or `dev` or alone"
    )]
    Held {
        /// The role.
        role: &'static str,
        /// The file that both are for.
        file: String,
    },
    /// The lock of a role.
    #[error("cannot lock the role {role} on {file}")]
    Lock {
        /// The role.
        role: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database does not let this process in any more.
    #[error("the login to the store is refused by now: its password must have changed")]
    Login(#[source] store::Error),
    /// The handler met a message of another game.
    #[error("the handler stopped")]
    Handler(#[source] StepError),
}

impl NodeError {
    /// Whether what is missing may come by itself, because it is somewhere else: a server that does not answer yet, a
    /// database that is not migrated yet.
    fn may_pass(&self, config: &Config) -> bool {
        match self {
            Self::OpenInbox { source, .. } | Self::Queue(source) => {
                !config.queue.is_embedded() && source.is_transient()
            }
            Self::OpenStore { source, .. } | Self::Store(source) => {
                let not_migrated = matches!(source, store::Error::OlderSchema { .. });
                !config.store.is_embedded() && (source.is_transient() || not_migrated)
            }
            Self::Unsettled => true,
            _ => false,
        }
    }
}

/// A process that runs.
pub struct Node {
    /// Where HTTP is served.
    pub address: SocketAddr,
    stop: CancellationToken,
    stop_http: CancellationToken,
    http: JoinSet<()>,
    tasks: JoinSet<Result<(), NodeError>>,
    flushers: JoinSet<()>,
    stop_flushers: CancellationToken,
    /// What delivers commits to the ranks: it ends behind the handler.
    ranks: JoinSet<()>,
    stop_ranks: CancellationToken,
    parts: Parts,
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
        let listen = |source| NodeError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stop_http) = (CancellationToken::new(), CancellationToken::new());
        let app = Arc::new(App::starting(system_rng().random(), &config.cors_origins, elapsed));
        let limits = Limits::of_process();
        let mut http = JoinSet::new();
        http.spawn(serve::serve(listener, Arc::clone(&app), limits, stop_http.clone()));
        let parts = open_patiently(config, metrics, &clock, &stop, &app).await?;
        let mut node = Self {
            address,
            stop,
            stop_http,
            http,
            tasks: JoinSet::new(),
            flushers: JoinSet::new(),
            stop_flushers: CancellationToken::new(),
            ranks: JoinSet::new(),
            stop_ranks: CancellationToken::new(),
            parts,
        };
        node.spawn(config, clock);
        node.parts.serve(config, &app);
        info!(%address, role = ?config.role, "listening");
        Ok(node)
    }

    fn spawn(&mut self, config: &Config, clock: Clock) {
        self.spawn_handler(config, &clock);
        let stop = &self.stop;
        if let Some(batcher) = &self.parts.batcher {
            self.flushers.spawn(Arc::clone(batcher).run(self.stop_flushers.clone()));
        }
        if let Some(scheduler) = self.parts.scheduler.as_ref().filter(|_| config.role.has(Role::Scheduler)) {
            let run = Arc::clone(scheduler).run(stop.clone());
            self.tasks.spawn(async move {
                run.await;
                Ok(())
            });
        }
        if let Some(outbox) = &self.parts.outbox {
            let sink = match config.push_sink {
                PushSink::Log => Sink::Log,
                PushSink::Record => Sink::Record(config.data.join("pushes.jsonl")),
            };
            let owner = format!("{:016x}", system_rng().random::<u64>());
            let run = Pusher::new(outbox.clone(), sink, clock.clone(), owner).run(stop.clone());
            self.tasks.spawn(async move {
                run.await;
                Ok(())
            });
        }
        if let Some(ranks) = &self.parts.ranks {
            let (ranks, stop) = (Arc::clone(ranks), self.stop_ranks.clone());
            self.ranks.spawn(async move { ranks.run(stop).await });
        }
        if let (Some(ranks), Some(reader)) = (&self.parts.ranks, &self.parts.reader) {
            let rebuilder =
                Rebuilder { ranks: Arc::clone(ranks), reader: reader.clone(), clock: clock.clone() };
            self.tasks.spawn(rebuilder.run(stop.clone()).map(|ended| Ok(ended?)));
        }
        if let (Some(hub), Some(reader)) = (&self.parts.hub, &self.parts.reader) {
            let (hub, reader, ranks) = (Arc::clone(hub), reader.clone(), self.parts.ranks.clone());
            let run = Feed { hub, reader, ranks, clock: clock.clone(), poke: Arc::clone(&self.parts.poke) }
                .run(stop.clone());
            self.tasks.spawn(async move {
                run.await;
                Ok(())
            });
        }
        if let Some(store) = &self.parts.store {
            self.tasks.spawn(login::watch(store.clone(), stop.clone()));
        }
        let watched = files::watch(self.parts.queue.clone(), self.parts.reader.clone(), stop.clone());
        self.tasks.spawn(watched.map(Ok));
        let mut gauges = self.parts.gauges(config, clock);
        let stop = stop.clone();
        self.tasks.spawn(async move {
            while stop
                .run_until_cancelled(tokio::time::sleep(Duration::from_millis(GAUGES_MS)))
                .await
                .is_some()
            {
                gauges.update().await?;
            }
            Ok(())
        });
    }

    /// The handler's loops, if this process has that role.
    fn spawn_handler(&mut self, config: &Config, clock: &Clock) {
        if let (Some(queue), Some((ledger, button))) = (&self.parts.queue, &self.parts.handler) {
            let identity = Identity {
                inbox_id: queue.inbox_id().to_owned(),
                inbox: self.parts.generation,
                partitions: config.partitions,
            };
            for _ in 0..config.partitions.min(HANDLER_LOOPS_MAX) {
                let (queue, ledger, button) = (queue.clone(), ledger.clone(), Arc::clone(button));
                let (clock, identity) = (clock.clone(), identity.clone());
                let handler = Handler::new(queue, ledger, button, clock, identity, config.visibility_ms);
                let run = Box::pin(handler.run(open::receive_wait(config), self.stop.clone())); // it is large
                self.tasks.spawn(async move { run.await.map_err(NodeError::Handler) });
            }
        }
    }

    /// Runs until `asked` to stop, or until a part must not go on; then stops accepting, flushes what was taken, lets
    /// the handler ack what it committed, and closes the files. Takes at most [`SHUTDOWN_MS_MAX`].
    ///
    /// # Errors
    /// The reason why a part could not go on.
    pub async fn run(mut self, asked: impl Future<Output = ()>) -> Result<(), NodeError> {
        let mut result = Ok(());
        tokio::pin!(asked);
        loop {
            tokio::select! {
                () = &mut asked => break,
                // These only end when they are told to: anything else is a panic, and nobody would be answered any more.
                Some(ended) = self.flushers.join_next() => broken(ended),
                Some(ended) = self.http.join_next() => broken(ended),
                Some(ended) = self.ranks.join_next() => broken(ended),
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        result = Err(error);
                        break;
                    }
                    Err(panic) => broken(Err(panic)),
                },
            }
        }
        info!("stopping");
        if tokio::time::timeout(Duration::from_millis(SHUTDOWN_MS_MAX), self.stop_all()).await.is_err() {
            warn!("the stop was cut short; what was not acked comes again");
        }
        result
    }

    async fn stop_all(&mut self) {
        // Live connections and loops end; no new requests; then the commands that were taken are flushed and answered.
        self.stop.cancel();
        self.stop_http.cancel();
        // A phone that does not read its answer must not keep what was taken from being flushed and acked.
        let ended = async { while self.http.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_millis(HTTP_STOP_MS_MAX), ended).await.is_err() {
            warn!("some connections were cut off");
        }
        self.stop_flushers.cancel();
        while self.flushers.join_next().await.is_some() {}
        while self.tasks.join_next().await.is_some() {}
        self.stop_ranks.cancel();
        while self.ranks.join_next().await.is_some() {}
        self.parts.close().await;
    }
}

/// Opens what the role needs, again and again while what is missing may come by itself.
async fn open_patiently(
    config: &Config,
    metrics: Option<PrometheusHandle>,
    clock: &Clock,
    stop: &CancellationToken,
    app: &App,
) -> Result<Parts, NodeError> {
    let mut tries = 0;
    let mut backoff = Backoff::new(BACKOFF_MS, clock);
    loop {
        match Parts::open(config, metrics.clone(), clock.clone(), stop).await {
            Err(error) if error.may_pass(config) => {
                let reason = serve::chain(&error);
                warn!(reason, tries, "waiting to start");
                app.waits_for(&reason);
                clock.pause(backoff.next_pause()).await;
                tries += 1;
            }
            opened => {
                let mut parts = opened?;
                parts.hold_roles(config)?;
                return Ok(parts);
            }
        }
    }
}

/// How much time has passed in this process, for `serve`, which reads no clock.
fn elapsed() -> Duration {
    static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
    Duration::from_secs_f64(BEGIN.seconds())
}

/// A part that is broken in an unknown way: the process ends rather than limp. Nothing that was acked is lost by this.
fn broken(ended: Result<(), tokio::task::JoinError>) {
    let panic = ended.err().map(|error| error.to_string()).unwrap_or_default();
    error!(panic, "a part of the process failed");
    crate::telemetry::flush();
    std::process::abort();
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
