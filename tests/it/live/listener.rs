//! A listener on `/live` that parses Server-Sent Events as the standard says.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{DEADLINE, Game, now_ms};

/// Maximum duration of a connection; each event has its own deadline.
const LISTENING_MAX: Duration = Duration::from_secs(600);

/// An event that was received.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// `round` or `board`.
    pub(crate) topic: String,
    /// The data of the event.
    pub(crate) data: Value,
    /// Time at which it was read, in Unix milliseconds.
    pub(crate) at_ms: i64,
}

/// One connection.
pub(crate) struct Listener {
    chunks: Pin<Box<dyn Stream<Item = Result<Vec<u8>, reqwest::Error>> + Send>>,
    text: String,
}

impl Listener {
    /// Opens the stream.
    pub(crate) async fn connect(game: &Game) -> Self {
        let request = game.request(Method::GET, "/live").timeout(LISTENING_MAX);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
        let chunks = response.bytes_stream().map(|chunk| chunk.map(|chunk| chunk.to_vec()));
        Self { chunks: Box::pin(chunks), text: String::new() }
    }

    /// The next event; `None` when the connection has ended.
    async fn read(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let told = parse(event);
                self.text = rest.to_owned();
                if told.is_some() {
                    return told;
                }
                continue;
            }
            let chunk = self.chunks.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Told {
        timeout(DEADLINE, self.read()).await.expect("an event in time").expect("the connection goes on")
    }

    /// The next event for which `check` holds; earlier ones are discarded.
    pub(crate) async fn until(&mut self, check: impl Fn(&Told) -> bool) -> Told {
        let found = async {
            loop {
                let told = self.read().await.expect("the connection goes on");
                if check(&told) {
                    return told;
                }
            }
        };
        timeout(DEADLINE, found).await.expect("the event in time")
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn until_end(&mut self) {
        let end = async { while self.read().await.is_some() {} };
        timeout(DEADLINE, end).await.expect("the connection ends");
    }
}

/// `None` for a comment.
fn parse(event: &str) -> Option<Told> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let topic = field("event:")?.to_owned();
    let data = serde_json::from_str(field("data:")?).unwrap();
    Some(Told { topic, data, at_ms: now_ms() })
}
