//! Live events through the route, as Server-Sent Events.

mod feed;
mod hub;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use engine::live::Hub;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tower::ServiceExt;

use crate::support::in_time;

fn router(hub: &Arc<Hub>) -> Router {
    server::router::live().with_state(Arc::clone(hub)).into_router()
}

async fn get(hub: &Arc<Hub>) -> Response {
    router(hub).oneshot(Request::get("/live").body(Body::empty()).unwrap()).await.unwrap()
}

/// A page with an open event stream.
struct Page {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    text: String,
}

impl Page {
    async fn open(hub: &Arc<Hub>) -> Self {
        let response = get(hub).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { stream: Box::pin(response.into_body().into_data_stream()), text: String::new() }
    }

    /// The next event: its topic and its data. `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let event = field("event: ").zip(field("data: "));
                let event =
                    event.map(|(topic, data)| (topic.to_owned(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue; // a comment, which keeps the connection open
            }
            let bytes = in_time(self.stream.next()).await?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
