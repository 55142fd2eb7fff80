//! A command that runs roles until a signal stops it.

use engine::clock::Clock;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{CliError, logs, print};
use crate::config::Config;
use crate::node::Node;
use crate::telemetry;

/// The number of the signal "file size limit exceeded".
const SIGXFSZ: i32 = 25;

/// Runs roles until a signal asks for a stop; a second signal ends the process at once.
pub(super) async fn serve(config: &Config) -> Result<(), CliError> {
    logs(config)?;
    let metrics = telemetry::init_metrics().map_err(|error| CliError::Process(error.to_string()))?;
    let signal = signals()?;
    let started = Box::pin(Node::start(config, Some(metrics), Clock::System)); // it is large
    // The start may wait long for a server; a signal ends that too.
    let Some(node) = signal.run_until_cancelled(started).await else { return Ok(()) };
    let node = node?;
    if let Err(error) = print(&format!("ButtonParty is listening on http://{}\n", node.address)) {
        warn!(%error, "cannot print the address to standard output");
    }
    Ok(node.run(signal.cancelled_owned()).await?)
}

fn signals() -> Result<CancellationToken, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let wrong = |error: std::io::Error| CliError::Process(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    // With a signal handler the signal does not kill: a write beyond the file size limit fails, as on a full disk.
    drop(signal(SignalKind::from_raw(SIGXFSZ)).map_err(wrong)?);
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        next().await;
        asked.cancel();
        next().await;
        // The second signal requests an immediate end. No acked command is lost.
        telemetry::flush();
        std::process::exit(130);
    });
    Ok(stop)
}
