//! Logs and metrics, set up once per process. Logs go to standard error. Both are best effort: the game continues
//! whatever happens to them.

mod lines;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use self::lines::Lines;
use crate::config::LogFormat;

const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4];

/// The log of this process, once started.
static LOG: OnceLock<Arc<Lines>> = OnceLock::new();

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("BUTTONPARTY_LOG: {0}")]
    Filter(#[from] ParseError),
    #[error("the log cannot be written: {0}")]
    Thread(#[from] io::Error),
}

/// Starts logging, panics included.
///
/// # Errors
/// [`LogError`].
pub fn init_logs(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter)?;
    let started = Lines::start(io::stderr())?;
    // If it was started before, the first one is used.
    let lines = LOG.get_or_init(|| started);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Line(lines))
        .log_internal_errors(false); // it would print to standard error, and panic where that fails
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Prints a text to standard error, after all queued log lines; best effort.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    match LOG.get() {
        Some(lines) => lines.push(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits briefly until the log is written: lines logged just before the process ends would be lost.
pub fn flush() {
    if let Some(lines) = LOG.get() {
        lines.flush();
    }
}

/// Installs the recorder of metrics; the handle renders `/metrics`.
///
/// # Errors
/// If another recorder is installed.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), SIZES)?
        .install_recorder()?;
    engine::metrics::describe();
    serve::metrics::describe();
    if let Some(lines) = LOG.get() {
        lines.show_dropped();
    }
    Ok(handle)
}

/// Standard output of a CLI command. A closed pipe is no error: its reader has read enough.
pub(crate) struct Output(io::Stdout);

impl Output {
    pub(crate) fn new() -> Self {
        Self(io::stdout())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(done: io::Result<T>, as_if: T) -> io::Result<T> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(as_if),
        done => done,
    }
}

/// The writer of one log event.
struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs a panic like any other line. The default hook writes to standard error directly, and could block on a full
/// pipe.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("it says nothing");
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => error!(message, at, thread, %backtrace, "a panic"),
        _ => error!(message, at, thread, "a panic"),
    }
    flush();
}
