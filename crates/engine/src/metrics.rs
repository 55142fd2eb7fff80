//! The metrics of a process: their names, kinds, units and help texts, in one place. Code records them by these constants,
//! and [`describe`] gives `/metrics` its `# HELP` lines. Those of HTTP are `serve::metrics`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// How a metric is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric, whatever labels its series have.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub unit: Unit,
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($constant:ident = $name:literal, $kind:ident of $unit:ident: $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// All of them.
        pub const CATALOGUE: &[Metric] =
            &[$(Metric { name: $name, kind: MetricKind::$kind, unit: Unit::$unit, help: $help }),*];
    };
}

catalogue! {
    REQUESTS_ACCEPTED = "buttonparty_requests_accepted_total", Counter of Count:
        "Requests answered 202 because their command is durable in the inbox, by kind of command.";
    WAITING_COMMANDS = "buttonparty_ingest_waiting_commands", Gauge of Count:
        "Commands that wait in this process to become durable in the inbox.";
    SEND_SECONDS = "buttonparty_send_seconds", Histogram of Seconds:
        "Duration of a send to the inbox, with all retries inside it.";
    SEND_ENVELOPES = "buttonparty_send_envelopes_size", Histogram of Count:
        "Envelopes in a send to the inbox.";
    ENVELOPE_COMMANDS = "buttonparty_envelope_commands_size", Histogram of Count:
        "Commands in an envelope, counted when it is first sent.";
    ENVELOPE_BYTES = "buttonparty_envelope_bytes_total", Counter of Bytes:
        "Bytes of envelopes, counted when they are first sent.";
    INBOX_MESSAGES = "buttonparty_inbox_messages", Gauge of Count:
        "Messages in the inbox that are not acknowledged, those in flight included.";
    INBOX_IN_FLIGHT = "buttonparty_inbox_in_flight_messages", Gauge of Count:
        "Messages of the inbox that a handler has received and not acknowledged.";
    INBOX_OLDEST_AGE = "buttonparty_inbox_oldest_age_seconds", Gauge of Seconds:
        "Age of the oldest message in the inbox that is not acknowledged.";
    DEAD_LETTERS = "buttonparty_dead_letters", Gauge of Count:
        "Dead letters in the inbox.";
    APPLY_COMMANDS = "buttonparty_apply_commands_size", Histogram of Count:
        "Commands in a transaction of the handler.";
    COMMIT_SECONDS = "buttonparty_commit_seconds", Histogram of Seconds:
        "Duration of the write transaction of a batch.";
    APPLY_LAG = "buttonparty_apply_lag_seconds", Histogram of Seconds:
        "Time from the arrival of the oldest command of a batch to its commit.";
    BURIED = "buttonparty_buried_total", Counter of Count:
        "Commands and messages moved to the dead letters because they cannot be applied.";
    OUTCOMES = "buttonparty_outcomes_total", Counter of Count:
        "Commands applied, by outcome.";
    LATE_ANNOUNCEMENTS = "buttonparty_late_announcements_total", Counter of Count:
        "Announcements of a round that the inbox stored after the round had opened, one for each partition.";
    PUSHES = "buttonparty_pushes_total", Counter of Count:
        "Pushes handed to the sink, one for each device.";
    PUSHES_EXPIRED = "buttonparty_pushes_expired_total", Counter of Count:
        "Outbox rows given up because they expired before all devices were told.";
    LIVE_CONNECTIONS = "buttonparty_live_connections", Gauge of Count:
        "Open connections that receive live events.";
    LOG_LINES_DROPPED = "buttonparty_log_lines_dropped_total", Counter of Count:
        "Log lines dropped because they could not be queued or written.";
}

/// Describes all of them to the recorder of this process.
pub fn describe() {
    for Metric { name, kind, unit, help } in CATALOGUE.iter().copied() {
        match kind {
            MetricKind::Counter => describe_counter!(name, unit, help),
            MetricKind::Gauge => describe_gauge!(name, unit, help),
            MetricKind::Histogram => describe_histogram!(name, unit, help),
        }
    }
}
