//! The HTTP application of a process: request ids, `Host`, CORS, metrics, panics.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt;
use metrics::{Counter, Histogram, counter, histogram};
use parking_lot::Mutex;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Instrument, debug_span, warn};
use wire::{FieldError, Problem, ProblemKind};

use crate::body::discard;
use crate::metrics::{REQUEST_SECONDS, REQUESTS_REJECTED};
use crate::{Cause, Label, Refused, Routes, host, not_stored, problem, starting};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Identifies a command, so that a repeated request applies it once.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID_BYTES_MAX: usize = 64;
/// The label of requests without a route.
const NO_ROUTE: &str = "none";

/// Monotonic time since some moment in the process. This crate reads no clock.
pub type Elapsed = fn() -> Duration;

/// The HTTP application of a process. Until it has its routes, it answers that the process is starting.
pub struct App {
    /// Makes the request ids of this process unique.
    prefix: String,
    next: AtomicU64,
    elapsed: Elapsed,
    /// `None` if no other origin may call.
    cors: Option<CorsLayer>,
    /// What the process waits for.
    waits_for: Mutex<String>,
    served: OnceLock<Served>,
}

/// The routes and their shared data.
struct Served {
    router: Router,
    /// The labels by the router's own patterns, because axum's match is visible only inside the router.
    named: matchit::Router<Named>,
    unmatched: Named,
    rejected: HashMap<&'static str, Counter>,
}

/// The label of a route in metrics and logs.
struct Named {
    route: String,
    /// `None` if the route is not measured.
    seconds: Option<Histogram>,
}

impl Named {
    fn shown(route: &str) -> Self {
        let seconds = histogram!(REQUEST_SECONDS, "route" => route.to_owned());
        Self { route: route.to_owned(), seconds: Some(seconds) }
    }

    fn of(label: &Label) -> Self {
        if label.is_secret {
            Self { route: NO_ROUTE.to_owned(), seconds: None }
        } else {
            Self::shown(&label.pattern)
        }
    }
}

impl App {
    /// An application without routes. `node` is random for each start of the process; pages of these origins may
    /// call.
    pub fn starting(node: u64, cors_origins: &[String], elapsed: Elapsed) -> Self {
        Self {
            prefix: format!("{node:016x}"),
            next: AtomicU64::new(0),
            elapsed,
            cors: (!cors_origins.is_empty()).then(|| cors(cors_origins)),
            waits_for: Mutex::new("opening what the role needs".to_owned()),
            served: OnceLock::new(),
        }
    }

    /// Sets what the process waits for.
    pub fn waits_for(&self, reason: &str) {
        reason.clone_into(&mut self.waits_for.lock());
    }

    /// Serves these routes from now on. Later calls do nothing.
    pub fn begin(&self, routes: Routes) {
        self.served.get_or_init(|| Served::new(routes));
    }

    /// Answers a request with its id and metrics, and turns a panic into a problem. It wraps the router and is not a
    /// tower layer, which was measured to cost a press 10 % more.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let begun = (self.elapsed)();
        let id = self.request_id(request.headers());
        let served = self.served.get().map(|served| (served, served.named(request.uri().path())));
        let route = served.map_or(NO_ROUTE, |(_, named)| &named.route);
        let span = debug_span!("request", id = id.to_str().unwrap_or_default(), route);
        let mut response = self.allowed(request).instrument(span).await;
        if let Some((served, named)) = served {
            served.note(&response, &id, route);
            if let Some(seconds) = &named.seconds {
                seconds.record((self.elapsed)().saturating_sub(begun).as_secs_f64());
            }
        }
        not_stored(response.headers_mut());
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// Answers a request, with the CORS headers of the response.
    async fn allowed<B>(&self, mut request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let mut wrong = host::check(request.version(), request.headers()).err();
        let Some(cors) = &self.cors else { return self.routed(request, wrong).await };
        if wrong.is_some() && request.method() == Method::OPTIONS {
            *request.method_mut() = Method::GET; // otherwise CORS would answer it as a preflight before it is rejected
        }
        let routed = service_fn(|request| {
            let wrong = wrong.take();
            async { Ok::<_, Infallible>(self.routed(request, wrong).await) }
        });
        match cors.layer(routed).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Answers a request, unless its head is invalid.
    async fn routed<B>(&self, request: Request<B>, wrong: Option<FieldError>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if let Some(wrong) = wrong {
            discard(Body::new(request.into_body())).await;
            return problem(&wrong.into());
        }
        let Some(served) = self.served.get() else {
            let response = starting::answer(request.uri().path(), &self.waits_for.lock());
            discard(Body::new(request.into_body())).await;
            return response;
        };
        match AssertUnwindSafe(served.router.clone().oneshot(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => panicked(panic.as_ref()),
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(&REQUEST_ID).filter(|id| {
            (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        });
        // Copied, because the header of the request would keep the whole head in memory until the response has left.
        let copied = given.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok());
        let made = || {
            let id = format!("{}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed));
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
        };
        copied.unwrap_or_else(made)
    }
}

impl Served {
    fn new(routes: Routes) -> Self {
        let mut named = matchit::Router::new();
        // A pattern of two methods has one label, which is secret if one of them is.
        let (secret, shown): (Vec<_>, Vec<_>) = routes.labels().iter().partition(|label| label.is_secret);
        for label in secret.into_iter().chain(shown) {
            let _ = named.insert(&label.pattern, Named::of(label));
        }
        let reasons = ProblemKind::ALL.map(ProblemKind::slug);
        let rejected = |reason| (reason, counter!(REQUESTS_REJECTED, "reason" => reason));
        Self {
            router: routes
                .into_router()
                .fallback(|request| unserved(ProblemKind::NotFound, request))
                .method_not_allowed_fallback(|request| unserved(ProblemKind::MethodNotAllowed, request)),
            named,
            unmatched: Named::shown(NO_ROUTE),
            rejected: reasons.into_iter().map(rejected).collect(),
        }
    }

    /// The label of this path.
    fn named(&self, path: &str) -> &Named {
        self.named.at(path).map_or(&self.unmatched, |matched| matched.value)
    }

    /// Counts problems, and logs a 5xx with its cause.
    fn note(&self, response: &Response, id: &HeaderValue, route: &str) {
        let kind = response.extensions().get::<ProblemKind>();
        if let Some(rejected) = kind.and_then(|kind| self.rejected.get(kind.slug())) {
            rejected.increment(1);
        }
        if response.status().is_server_error() {
            let cause = response.extensions().get::<Cause>().map_or("", |cause| cause.0.as_str());
            let id = id.to_str().unwrap_or_default();
            warn!(request_id = id, route, status = response.status().as_u16(), cause, "request failed");
        }
    }
}

/// The response if no route matches.
async fn unserved(kind: ProblemKind, request: Request<Body>) -> Response {
    discard(request.into_body()).await;
    problem(&Problem::new(kind))
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Refused::internal(format_args!("panic: {}", text.unwrap_or_default())).into_response()
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, IDEMPOTENCY_KEY, REQUEST_ID])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
}
