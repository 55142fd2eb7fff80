//! One process: opens what its role needs, starts the role's parts, and stops them in order.

mod parts;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
pub(crate) use parts::check_age;
pub use parts::{Parts, open_existing_queue, open_existing_reader, open_queue, open_store};
use rand::RngExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::bounds::{GAUGES_MS, HANDLER_LOOPS_MAX, HTTP_STOP_MS_MAX, RECEIVE_WAIT_MS, SHUTDOWN_MS_MAX};
use crate::clock::{Clock, system_rng};
use crate::config::{Config, PushSink, Role};
use crate::live::feed::Feed;
use crate::push::{Pusher, Sink};
use crate::writer::{Identity, StepError, Writer};

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
    /// A file that cannot be opened, or not by this version.
    #[error("cannot open the {what} {file}")]
    Open {
        /// What it is.
        what: &'static str,
        /// Where it is.
        file: String,
        /// What was wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The handler met a message of another game.
    #[error("the handler stopped")]
    Handler(#[source] StepError),
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
    parts: Parts,
}

impl Node {
    /// Opens and starts everything that the role has.
    ///
    /// # Errors
    /// [`NodeError`], with what could not be opened.
    pub async fn start(
        config: &Config,
        metrics: Option<PrometheusHandle>,
        clock: Clock,
    ) -> Result<Self, NodeError> {
        let stop = CancellationToken::new();
        let parts = Parts::open(config, metrics, clock.clone(), &stop).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| NodeError::Listen { address: config.listen, source })?;
        let address =
            listener.local_addr().map_err(|source| NodeError::Listen { address: config.listen, source })?;
        let mut node = Self {
            address,
            stop,
            stop_http: CancellationToken::new(),
            http: JoinSet::new(),
            tasks: JoinSet::new(),
            flushers: JoinSet::new(),
            stop_flushers: CancellationToken::new(),
            parts,
        };
        node.spawn(config, clock);
        let app = node.parts.app(config);
        node.http.spawn(crate::http::serve(
            listener,
            app,
            node.parts.connections_max,
            node.stop_http.clone(),
        ));
        info!(%address, role = ?config.role, "listening");
        Ok(node)
    }

    fn spawn(&mut self, config: &Config, clock: Clock) {
        let stop = &self.stop;
        if let Some(batcher) = &self.parts.batcher {
            self.flushers.spawn(Arc::clone(batcher).run(self.stop_flushers.clone()));
        }
        if let (Some(queue), Some(button)) = (&self.parts.queue, &self.parts.button) {
            let identity = Identity {
                inbox_id: queue.inbox_id().to_owned(),
                generation: self.parts.generation,
                partitions: config.partitions,
            };
            for _ in 0..config.partitions.min(HANDLER_LOOPS_MAX) {
                let (queue, button, identity) = (queue.clone(), Arc::clone(button), identity.clone());
                let writer = Writer::new(queue, button, clock.clone(), identity, config.visibility_ms);
                let run = writer.run(Duration::from_millis(RECEIVE_WAIT_MS), stop.clone());
                self.tasks.spawn(async move { run.await.map_err(NodeError::Handler) });
            }
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
        if let (Some(hub), Some(reader)) = (&self.parts.hub, &self.parts.reader) {
            let (hub, reader, board) = (Arc::clone(hub), reader.clone(), self.parts.board.clone());
            let run = Feed { hub, reader, board, clock: clock.clone(), poke: Arc::clone(&self.parts.poke) }
                .run(stop.clone());
            self.tasks.spawn(async move {
                run.await;
                Ok(())
            });
        }
        let gauges = self.parts.gauges(clock);
        let stop = stop.clone();
        self.tasks.spawn(async move {
            while stop
                .run_until_cancelled(tokio::time::sleep(Duration::from_millis(GAUGES_MS)))
                .await
                .is_some()
            {
                gauges.update().await;
            }
            Ok(())
        });
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
        self.parts.close().await;
    }
}

/// A part that is broken in an unknown way: the process ends rather than limp. Nothing that was acked is lost by this.
fn broken(ended: Result<(), tokio::task::JoinError>) {
    let panic = ended.err().map(|error| error.to_string()).unwrap_or_default();
    error!(panic, "a part of the process failed");
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
