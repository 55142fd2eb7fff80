//! The route `/live`: Server-Sent Events. [`feed`] makes the events.

pub mod feed;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use engine::live::Hub;
use futures_util::{StreamExt, stream};
use serve::{LongLived, Refused};
use wire::Problem;

use crate::bounds::LIVE_KEEP_ALIVE;

/// Headers that make proxies pass each event at once: nginx buffers responses without the first, and others compress
/// or cache without the second.
const UNBUFFERED: [(HeaderName, HeaderValue); 2] = [
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
];

/// Live events, as Server-Sent Events: `round` when a round opens or closes, `board` when the top 10 changes.
#[utoipa::path(
    get, path = "/live", tag = "fetch",
    responses(
        (status = 200, description = "A comment at once, then the latest event of each kind, then each new one. The data of `round` is a LiveRound, that of `board` an array of BoardRow",
            body = wire::LiveRound, content_type = "text/event-stream"),
        (status = 503, description = "Too many connections", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn live(State(hub): State<Arc<Hub>>) -> Result<Response, Refused> {
    let Some(connected) = hub.connect().map(Arc::new) else {
        return Err(Refused::unavailable("too many live connections"));
    };
    let long_lived = LongLived::with(&connected);
    let renderer = Arc::clone(&hub);
    let events = hub.subscribe().map(move |event| {
        let _alive = &connected; // lives as long as the stream
        Ok::<_, Infallible>(SseEvent::default().event(event.topic).data(renderer.data(&event)))
    });
    // The comment at once shows proxies and pages that the stream is open.
    let opened = stream::once(async { Ok(SseEvent::default().comment("open")) });
    let events = opened.chain(events).take_until(hub.stop().clone().cancelled_owned());
    let keep_alive = KeepAlive::new().interval(LIVE_KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response.extensions_mut().insert(long_lived);
    for (name, value) in UNBUFFERED {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
