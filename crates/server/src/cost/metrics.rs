//! The counters of games that run, as their `/metrics` show them.

use std::time::Duration;

use axum::http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::packing::HEAD_BYTES;
use crate::bounds::{METRICS_BYTES_MAX, METRICS_MS_MAX};

/// What was counted, of all processes together.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Counters {
    /// Presses that were taken.
    pub presses: f64,
    /// Commands of all kinds in envelopes.
    pub commands: f64,
    /// Envelopes.
    pub envelopes: f64,
    /// Bytes of envelopes.
    pub envelope_bytes: f64,
    /// Sends to the inbox.
    pub sends: f64,
    /// Envelopes in these, those that were sent again too.
    pub sent_envelopes: f64,
    /// Batches that handlers have applied.
    pub batches: f64,
    /// Commands in these.
    pub batch_commands: f64,
}

/// Why there are no counters.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A file.
    #[error("cannot read the file")]
    File(#[source] std::io::Error),
    /// Another scheme than http.
    #[error("only http:// is spoken; fetch it with another program and give the file")]
    Scheme,
    /// An address that is none.
    #[error("not an address such as http://127.0.0.1:8080/metrics")]
    Address,
    /// The server cannot be reached.
    #[error("no answer")]
    Connect(#[source] std::io::Error),
    /// The server broke off, or answered too much.
    #[error("no whole answer: {0}")]
    Answer(String),
    /// The server answered something else.
    #[error("the answer is {0}")]
    Status(StatusCode),
    /// The server is too slow.
    #[error("no answer within {METRICS_MS_MAX} ms")]
    Slow,
    /// A line that is none of Prometheus' text format.
    #[error("line {line} is no metric: {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// It.
        text: String,
    },
    /// Metrics of something else.
    #[error("it has no {0}: are these the metrics of a process that takes presses or applies them?")]
    Missing(&'static str),
}

const COMMANDS: &str = "buttonparty_envelope_commands_size";
const SENDS: &str = "buttonparty_send_envelopes_size";
const BATCHES: &str = "buttonparty_apply_commands_size";

impl Counters {
    /// Bytes of a command in an envelope; `None`: they were not counted.
    pub fn bytes_per_command(&self) -> Option<f64> {
        let bytes = (self.envelope_bytes - self.envelopes * HEAD_BYTES) / self.commands;
        (bytes.is_finite() && bytes >= 1.0).then_some(bytes)
    }

    /// Adds what a file or the server at a URL says.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn read(&mut self, place: &str) -> Result<(), MetricsError> {
        let text = if place.starts_with("http://") {
            let answer = tokio::time::timeout(Duration::from_millis(METRICS_MS_MAX), get(place)).await;
            answer.map_err(|_| MetricsError::Slow)??
        } else if place.contains("://") {
            return Err(MetricsError::Scheme);
        } else {
            tokio::fs::read_to_string(place).await.map_err(MetricsError::File)?
        };
        self.add(&text)
    }

    /// Adds what a process says, in Prometheus' text format. A process that only takes presses, or only applies them,
    /// counts only that.
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
            let (series, value) = parse(line).ok_or_else(wrong)?;
            known |= self.count(series, value);
        }
        if known { Ok(()) } else { Err(MetricsError::Missing(COMMANDS)) }
    }

    /// Adds one series; whether it is one of ours.
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

/// A series with its labels, and its value; what may follow is the time.
fn parse(line: &str) -> Option<(&str, f64)> {
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find(char::is_whitespace)?,
    };
    let (series, rest) = line.split_at(end);
    let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
    Some((series, value))
}

async fn get(place: &str) -> Result<String, MetricsError> {
    let uri: Uri = place.parse().map_err(|_| MetricsError::Address)?;
    let authority = uri.authority().ok_or(MetricsError::Address)?;
    let address = (uri.host().unwrap_or_default().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(MetricsError::Connect)?;
    let broke = |error: hyper::Error| MetricsError::Answer(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, authority.as_str()).body(Empty::<Bytes>::new());
    let request = request.map_err(|_| MetricsError::Address)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broke)?;
        if answer.status() != StatusCode::OK {
            return Err(MetricsError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), METRICS_BYTES_MAX).collect().await;
        let body = body.map_err(|error| MetricsError::Answer(error.to_string()))?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    };
    // The connection is driven beside its one request, and ends with it.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(broke)?;
            answer.await
        }
    }
}
