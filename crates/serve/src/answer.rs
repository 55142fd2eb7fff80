//! JSON and problems as responses, and the cause of an error for the log. Status codes are `wire`'s.

use std::fmt::Display;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::to_vec;
use wire::{Problem, ProblemKind};

use crate::bounds::RETRY_AFTER_MS;

/// Number of headers of most answers: type, length, caching and request id.
const HEADERS: usize = 4;

/// The cause of a 5xx. It travels in the extensions of the response, is logged once where responses leave, and is
/// never sent.
#[derive(Debug, Clone)]
pub struct Cause(pub String);

/// A problem as the response of a handler, and its cause for the log. Handlers return it with `?`.
#[derive(Debug)]
pub struct Refused(Box<Problem>, Option<Cause>);

impl Refused {
    /// 503: a retry may help.
    pub fn unavailable(cause: impl Display) -> Self {
        let told = Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS);
        Self(Box::new(told), Some(Cause(cause.to_string())))
    }

    /// 500: a fault of the server.
    pub fn internal(cause: impl Display) -> Self {
        Self(Box::new(Problem::new(ProblemKind::Internal)), Some(Cause(cause.to_string())))
    }
}

/// A fault of the client needs no cause.
impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self(Box::new(problem.into()), None)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = problem(&self.0);
        if let Some(cause) = self.1 {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// 200 with a JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        written(StatusCode::OK, &self.0)
    }
}

/// 202 with a JSON body: the command is durable and will be applied.
#[derive(Debug)]
pub struct Durable<T>(pub T);

impl<T: Serialize> IntoResponse for Durable<T> {
    fn into_response(self) -> Response {
        written(StatusCode::ACCEPTED, &self.0)
    }
}

fn written(status: StatusCode, body: &impl Serialize) -> Response {
    match to_vec(body) {
        Ok(text) => json(status, text),
        Err(error) => Refused::internal(error).into_response(),
    }
}

/// Sets `Cache-Control: no-store` on a response without `Cache-Control`. Called at the one place where all responses
/// of a process leave, because commands, problems and players are stale as soon as they are read.
pub fn not_stored(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// A problem as a response.
pub fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = to_vec(problem).unwrap_or_default(); // cannot fail: strings and numbers only
    let mut response = typed(status, "application/problem+json", body);
    let headers = response.headers_mut();
    if let Some(seconds) = problem.retry_after_s() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.kind() == ProblemKind::Unauthorized {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response.extensions_mut().insert(problem.kind());
    response
}

/// An error with its causes, for logs and terminals.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// A response with this JSON text.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    typed(status, "application/json", body)
}

/// Built by hand, because headers take most of the time of a response: axum would first set
/// `application/octet-stream`, and the map would grow twice.
fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Adds the problems for unknown routes and methods.
pub fn with_fallbacks(router: Router) -> Router {
    let not_found = || async { problem(&Problem::new(ProblemKind::NotFound)) };
    let wrong_method = || async { problem(&Problem::new(ProblemKind::MethodNotAllowed)) };
    router.fallback(not_found).method_not_allowed_fallback(wrong_method)
}
