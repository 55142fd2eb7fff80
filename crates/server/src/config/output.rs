//! The targets of pushes and log lines.

use settings::{Given, LOG, Role, Setting, settings};
use tracing_subscriber::EnvFilter;

settings! {
    /// The target of pushes.
    pub struct PushSettings {
        pub sink: PushSink = sink, Setting::new(
            "PUSH_SINK", "log or record",
            "where pushes go; record appends them to pushes.jsonl in DATA",
        ).default("log").roles(&[Role::Push]);
    }
}

settings! {
    /// The log filter and format.
    pub struct LogSettings {
        pub filter: String = filter, LOG;
        pub format: LogFormat = format, Setting::new("LOG_FORMAT", "json or text", "format of log lines")
            .default("json").dev("text");
    }
}

/// The target of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushSink {
    Log,
    /// A file of JSON lines, for tests.
    Record,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

fn sink(given: Given<'_>) -> Result<PushSink, String> {
    given.choice(&[("log", PushSink::Log), ("record", PushSink::Record)])
}

fn filter(given: Given<'_>) -> Result<String, String> {
    let filter = given.string()?;
    EnvFilter::try_new(&filter).map_err(|error| error.to_string())?;
    Ok(filter)
}

fn format(given: Given<'_>) -> Result<LogFormat, String> {
    given.choice(&[("json", LogFormat::Json), ("text", LogFormat::Text)])
}
