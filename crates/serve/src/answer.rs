//! How JSON and problems become responses, and how a cause gets into the log. No status code stands here: those are
//! `wire`'s.

use std::fmt::Display;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::to_vec;
use wire::{Problem, ProblemKind};

use crate::bounds::RETRY_AFTER_MS;

/// Headers that most answers have at the least: type, length, caching and request id.
const HEADERS: usize = 4;

/// What lies behind a 5xx: travels with the answer inside the process, is logged once where answers leave, and is
/// never sent.
#[derive(Debug, Clone)]
pub struct Cause(pub String);

/// What is answered instead of what was asked for: a problem, and for the log what lies behind it. Handlers return it
/// with `?`.
#[derive(Debug)]
pub struct Refused(Box<Problem>, Option<Cause>);

impl Refused {
    /// 503: trying again may help.
    pub fn unavailable(cause: impl Display) -> Self {
        let told = Problem::new(ProblemKind::Unavailable).with_retry_after_ms(RETRY_AFTER_MS);
        Self(Box::new(told), Some(Cause(cause.to_string())))
    }

    /// 500: a fault of ours.
    pub fn internal(cause: impl Display) -> Self {
        Self(Box::new(Problem::new(ProblemKind::Internal)), Some(Cause(cause.to_string())))
    }
}

/// What is the client's own doing needs no cause.
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

/// 200 with this as JSON.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        written(StatusCode::OK, &self.0)
    }
}

/// 202 with this as JSON: what was asked for is durable, and will be done.
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

/// Tells caches to keep nothing of an answer that does not say otherwise. For the one place of a process where all
/// answers leave: what is true of commands, problems, players and the process itself is over when it is read.
pub fn not_stored(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// The answer that carries a problem.
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

/// An error with everything that led to it, for logs and for people at a terminal.
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

/// An answer with this JSON text.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    typed(status, "application/json", body)
}

/// Made by hand, because most of the time of an answer goes into its headers: axum would first say that it is a stream of
/// bytes, and the map would grow twice.
fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// These routes, and the problems that answer what none of them serves.
pub fn with_fallbacks(router: Router) -> Router {
    let not_found = || async { problem(&Problem::new(ProblemKind::NotFound)) };
    let wrong_method = || async { problem(&Problem::new(ProblemKind::MethodNotAllowed)) };
    router.fallback(not_found).method_not_allowed_fallback(wrong_method)
}
