//! A load generator like wrk: one thread and many keep-alive connections, each with one request in flight. Requests are
//! built beforehand; of a response only the status and the length are read.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use engine::clock::Stopwatch;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;

/// Connections, each with one request in flight.
pub(crate) const CONNECTIONS: usize = 128;
/// Duration of the load before the measurement starts, in seconds.
const WARM_UP_S: f64 = 0.5;
/// Duration of the measurement, in seconds: the inbox checkpoints its WAL more than once in it.
pub(crate) const MEASURED_S: f64 = 4.0;
/// Maximum size of a response.
const ANSWER_BYTES_MAX: usize = 4096;
const DIGITS: usize = 8;

/// Result of a load.
pub(crate) struct Load {
    /// Presses answered with 202 while it was measured.
    pub(crate) accepted: u64,
    /// Other responses, from the start.
    pub(crate) refused: u64,
    /// Latency of each accepted press, in microseconds.
    pub(crate) micros: Histogram<u64>,
}

impl Load {
    /// Accepted presses per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.accepted as f64 / MEASURED_S
    }

    /// Latency in milliseconds at this quantile.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        self.micros.value_at_quantile(share) as f64 / 1e3
    }
}

/// Sends presses with ever new usernames from a thread of its own; returns after the measurement.
pub(crate) fn run(address: SocketAddr) -> Outcome<Load> {
    let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(all(address))
    })?;
    thread.join().map_err(|_| "the load panicked")?
}

async fn all(address: SocketAddr) -> Outcome<Load> {
    let load = Load { accepted: 0, refused: 0, micros: Histogram::new(3)? };
    let load = Arc::new(Mutex::new(load));
    let watch = Stopwatch::start();
    let mut connections = JoinSet::new();
    for index in 0..CONNECTIONS {
        connections.spawn(connection(address, index, watch, Arc::clone(&load)));
    }
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    let load = Arc::into_inner(load).ok_or("a connection goes on")?;
    Ok(load.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn connection(
    address: SocketAddr,
    index: usize,
    watch: Stopwatch,
    load: Arc<Mutex<Load>>,
) -> Outcome<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = Request::new();
    let mut answer = [0; ANSWER_BYTES_MAX];
    for press in 0.. {
        let sent_s = watch.seconds();
        stream.write_all(request.by(index + press * CONNECTIONS)?).await?;
        let mut filled = 0;
        while length(&answer[..filled]).is_none_or(|length| filled < length) {
            match stream.read(&mut answer[filled..]).await? {
                0 => return Err("the server hung up, or its answer is too long".into()),
                read => filled += read,
            }
        }
        let answered_s = watch.seconds();
        // Only this thread takes the lock.
        let mut load = load.lock().unwrap_or_else(PoisonError::into_inner);
        if !answer.starts_with(b"HTTP/1.1 202 ") {
            load.refused += 1;
        } else if sent_s >= WARM_UP_S && answered_s < WARM_UP_S + MEASURED_S {
            load.accepted += 1;
            let micros = std::time::Duration::from_secs_f64(answered_s - sent_s).as_micros();
            load.micros.record(u64::try_from(micros)?)?;
        }
        if answered_s >= WARM_UP_S + MEASURED_S {
            break;
        }
    }
    Ok(())
}

/// A request whose username is changed in place.
struct Request {
    text: Vec<u8>,
}

impl Request {
    fn new() -> Self {
        let body = format!(r#"{{"username":"player-{:0DIGITS$}"}}"#, 0);
        let bytes = body.len();
        let head = "POST /press HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n";
        Self { text: format!("{head}Content-Length: {bytes}\r\n\r\n{body}").into_bytes() }
    }

    /// Returns the press request of this player.
    fn by(&mut self, player: usize) -> std::io::Result<&[u8]> {
        let digits = self.text.len() - r#""}"#.len() - DIGITS;
        write!(&mut self.text[digits..digits + DIGITS], "{player:0DIGITS$}")?;
        Ok(&self.text)
    }
}

/// Length in bytes of the response that begins with these bytes; `None` while its head is incomplete.
fn length(answer: &[u8]) -> Option<usize> {
    let (mut head, mut body) = (0, None);
    for line in answer.split_inclusive(|byte| *byte == b'\n') {
        head += line.len();
        if line == b"\r\n" {
            return body.map(|body: usize| head + body);
        }
        if let Some(value) = line.strip_prefix(b"content-length: ") {
            body = std::str::from_utf8(value).ok().and_then(|value| value.trim_end().parse().ok());
        }
    }
    None
}
