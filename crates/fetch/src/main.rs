//! The binary of the Lambda function, named `bootstrap` in its zip. Only this file of it reads the clock and the
//! environment.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fetch::lambda::{self, Settings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// One thread: a Lambda answers one request at a time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the Lambda's one place that reads the environment")]
    let settings = Settings::read(|name| std::env::var(name).ok());
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => return failed(&error.to_string()),
    };
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(settings.log.clone()).with(lines).init();
    match lambda::run(settings, Arc::new(now_ms)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&serve::chain(error.as_ref())),
    }
}

fn failed(reason: &str) -> ExitCode {
    // If this fails, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "fetch-lambda: {reason}");
    ExitCode::FAILURE
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the Lambda's one place that reads the clock")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
