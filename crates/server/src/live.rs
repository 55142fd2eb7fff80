//! Live events: a hub that keeps the latest event of each topic and passes new ones on, and the route `/live` that
//! sends them as Server-Sent Events. The hub knows nothing of the game; [`feed`] does.

pub mod feed;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use metrics::{Gauge, gauge};
use parking_lot::Mutex;
use serve::problem;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::{Problem, ProblemKind};

use crate::bounds::{LIVE_BEHIND_MAX, LIVE_KEEP_ALIVE_MS, RETRY_AFTER_MS};
use crate::clock::Clock;
use crate::http::LongLived;

/// What lets a stream through proxies at once, event by event: nginx buffers answers unless they say this, and others
/// compress or keep what does not forbid it.
const UNBUFFERED: [(HeaderName, HeaderValue); 2] = [
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about; the latest event of each topic is kept for those who come later.
    pub topic: &'static str,
    /// JSON text. With `stamped` it must be an object.
    pub data: Arc<str>,
    /// Whether the time at which it leaves is put into the data as `now`.
    pub stamped: bool,
}

/// Passes events to everybody who is connected to this process.
pub struct Hub {
    clock: Clock,
    latest: Mutex<BTreeMap<&'static str, Event>>,
    sender: broadcast::Sender<Event>,
    permits: Arc<Semaphore>,
    connections: Gauge,
    stop: CancellationToken,
}

impl Hub {
    /// A hub without events. It serves so many connections at the most; they end when `stop` does.
    pub fn new(clock: Clock, connections_max: usize, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            clock,
            latest: Mutex::default(),
            sender: broadcast::Sender::new(LIVE_BEHIND_MAX),
            permits: Arc::new(Semaphore::new(connections_max)),
            connections: gauge!("buttonparty_live_connections"),
            stop,
        })
    }

    /// Sends an event to everybody, unless it says the same as the latest one of its topic.
    pub fn publish(&self, event: Event) {
        let mut latest = self.latest.lock();
        if latest.get(event.topic) != Some(&event) {
            latest.insert(event.topic, event.clone());
            // Nobody may be connected; then whoever comes gets it as the latest.
            let _ = self.sender.send(event);
        }
    }

    /// Sends an event to everybody in place of the latest one of its topic, which was wrong. Nobody who comes later gets
    /// either.
    pub fn withdraw(&self, event: Event) {
        let mut latest = self.latest.lock();
        latest.remove(event.topic);
        let _ = self.sender.send(event); // as above
    }

    /// The latest event of each topic, then what happens from now on; a listener that is too slow is brought up to
    /// date with the latest of each topic instead of what it missed.
    fn subscribe(self: &Arc<Self>) -> impl Stream<Item = Event> + use<> {
        let hub = Arc::clone(self);
        stream::unfold(self.up_to_date(), move |(mut latest, mut events)| {
            let hub = Arc::clone(&hub);
            async move {
                loop {
                    if let Some(event) = latest.pop_front() {
                        return Some((event, (latest, events)));
                    }
                    match events.recv().await {
                        Ok(event) => return Some((event, (latest, events))),
                        // What is still held for it is older than the latest: it begins anew behind that.
                        Err(RecvError::Lagged(_)) => (latest, events) = hub.up_to_date(),
                        Err(RecvError::Closed) => return None,
                    }
                }
            }
        })
    }

    /// The latest event of each topic, and all that come after them.
    fn up_to_date(&self) -> (VecDeque<Event>, broadcast::Receiver<Event>) {
        // Under the lock nothing is published, so nothing is missed or seen twice between the two.
        let latest = self.latest.lock();
        (latest.values().cloned().collect(), self.sender.subscribe())
    }

    fn render(&self, event: &Event) -> SseEvent {
        let stamp = || Some(format!("{{\"now\":{},{}", self.clock.now_ms(), event.data.strip_prefix('{')?));
        let stamped = event.stamped.then(stamp).flatten();
        SseEvent::default().event(event.topic).data(stamped.as_deref().unwrap_or(&event.data))
    }
}

/// Counts a connection as long as it lives.
struct Connected {
    connections: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.decrement(1.0);
    }
}

/// The route of live events, with its documentation.
pub fn routes() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(live))
}

/// Live events, as Server-Sent Events: `round` when a round opens or closes, `board` when the top 10 changes.
#[utoipa::path(
    get, path = "/live", tag = "fetch",
    responses(
        (status = 200, description = "A comment at once, then the latest event of each kind, then each new one. The data of `round` is a LiveRound, that of `board` an array of BoardRow",
            body = wire::LiveRound, content_type = "text/event-stream"),
        (status = 503, description = "Too many connections", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn live(State(hub): State<Arc<Hub>>) -> Response {
    let Ok(permit) = Arc::clone(&hub.permits).try_acquire_owned() else {
        return problem(&Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS));
    };
    hub.connections.increment(1.0);
    let connected = Arc::new(Connected { connections: hub.connections.clone(), _permit: permit });
    let long_lived = LongLived::with(&connected);
    let renderer = Arc::clone(&hub);
    let events = hub.subscribe().map(move |event| {
        let _alive = &connected; // lives as long as the stream
        Ok::<_, Infallible>(renderer.render(&event))
    });
    // Sends a comment at once, so that proxies and pages see the stream open before the first event.
    let opened = stream::once(async { Ok(SseEvent::default().comment("open")) });
    let events = opened.chain(events).take_until(hub.stop.clone().cancelled_owned());
    let keep_alive = KeepAlive::new().interval(Duration::from_millis(LIVE_KEEP_ALIVE_MS));
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response.extensions_mut().insert(long_lived);
    for (name, value) in UNBUFFERED {
        response.headers_mut().insert(name, value);
    }
    response
}
