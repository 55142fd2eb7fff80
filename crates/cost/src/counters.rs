//! The counters of a running game, read from the `/metrics` of its processes.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use crate::deployed::HEAD_BYTES;

/// Timeout of a request to `/metrics`, in milliseconds.
const REQUEST_MS_MAX: u64 = 5_000;
/// Largest answer that is read, in bytes: 4 MiB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Totals over all processes that were read.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Counters {
    /// Presses accepted.
    pub presses: f64,
    /// Commands of all kinds put into envelopes.
    pub commands: f64,
    pub envelopes: f64,
    pub envelope_bytes: f64,
    /// Sends to the inbox.
    pub sends: f64,
    /// Envelopes in these sends, retries included.
    pub sent_envelopes: f64,
    /// Batches applied by handlers.
    pub batches: f64,
    /// Commands in these batches.
    pub batch_commands: f64,
}

/// Why the counters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("cannot read the file")]
    File(#[source] std::io::Error),
    #[error("only http:// is supported; fetch it with another program and pass the file")]
    Scheme,
    #[error("not an address such as http://127.0.0.1:8080/metrics")]
    Address,
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    #[error("incomplete answer")]
    Answer(#[source] reqwest::Error),
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the response status is {0}")]
    Status(StatusCode),
    #[error("no answer within {REQUEST_MS_MAX} ms")]
    Slow,
    /// Not a line of Prometheus' text format; lines count from 1.
    #[error("line {line} is not a metric: {text}")]
    Line { line: usize, text: String },
    /// None of the expected series is present.
    #[error("no {0} found: are these the metrics of an ingest or handler process?")]
    Missing(&'static str),
}

const COMMANDS: &str = "buttonparty_envelope_commands_size";
const SENDS: &str = "buttonparty_send_envelopes_size";
const BATCHES: &str = "buttonparty_apply_commands_size";

impl Counters {
    /// Mean bytes of a command in an envelope; `None` if they were not counted.
    pub fn bytes_per_command(&self) -> Option<f64> {
        let bytes = (self.envelope_bytes - self.envelopes * HEAD_BYTES) / self.commands;
        (bytes.is_finite() && bytes >= 1.0).then_some(bytes)
    }

    /// Adds the counters of a file, or of the server at an `http://` URL.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn read(&mut self, place: &str) -> Result<(), MetricsError> {
        let text = if place.starts_with("http://") {
            get(place).await?
        } else if place.contains("://") {
            return Err(MetricsError::Scheme);
        } else {
            tokio::fs::read_to_string(place).await.map_err(MetricsError::File)?
        };
        self.add(&text)
    }

    /// Adds the counters of one process, in Prometheus' text format. A process that only accepts or only applies presses
    /// has only some of the series.
    ///
    /// # Errors
    /// [`MetricsError::Line`] and [`MetricsError::Missing`].
    pub fn add(&mut self, text: &str) -> Result<(), MetricsError> {
        let mut known = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong =
                || MetricsError::Line { line: number + 1, text: line.chars().take(80).collect::<String>() };
            let (series, value) = sample(line).ok_or_else(wrong)?;
            known |= self.count(series, value);
        }
        if known { Ok(()) } else { Err(MetricsError::Missing(COMMANDS)) }
    }

    /// Adds one sample; `false` if the series is not one of ours.
    fn count(&mut self, series: &str, value: f64) -> bool {
        let counter = match series {
            "buttonparty_requests_accepted_total{kind=\"press\"}" => &mut self.presses,
            "buttonparty_envelope_bytes_total" => &mut self.envelope_bytes,
            _ => {
                let Some((histogram, part)) = series.rsplit_once('_') else { return false };
                match (histogram, part) {
                    (COMMANDS, "sum") => &mut self.commands,
                    (COMMANDS, "count") => &mut self.envelopes,
                    (SENDS, "sum") => &mut self.sent_envelopes,
                    (SENDS, "count") => &mut self.sends,
                    (BATCHES, "sum") => &mut self.batch_commands,
                    (BATCHES, "count") => &mut self.batches,
                    _ => return false,
                }
            }
        };
        *counter += value;
        true
    }
}

/// The series of a sample with its labels, and its value; a timestamp may follow.
///
/// Written by hand because the crates do not report errors here: `prometheus-parse` skips lines that it cannot read and
/// takes an unreadable value for 0; `openmetrics-parser` is LGPL.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find(char::is_whitespace)?,
    };
    let (series, rest) = line.split_at(end);
    let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
    Some((series, value))
}

async fn get(place: &str) -> Result<String, MetricsError> {
    let url: Url = place.parse().map_err(|_| MetricsError::Address)?;
    // The processes are on the same network: neither a proxy nor a redirect is expected.
    let client = Client::builder().no_proxy().redirect(Policy::none());
    let client = client.timeout(Duration::from_millis(REQUEST_MS_MAX)).build().map_err(failed)?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    if response.status() != StatusCode::OK {
        return Err(MetricsError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(MetricsError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn failed(error: reqwest::Error) -> MetricsError {
    // Its text would repeat the URL, which the flag names already.
    let error = error.without_url();
    match error {
        _ if error.is_timeout() => MetricsError::Slow,
        _ if error.is_connect() => MetricsError::Connect(error),
        _ => MetricsError::Answer(error),
    }
}
