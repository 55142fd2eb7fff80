//! The read routes as an AWS Lambda function behind an HTTP API: the same as the server's, without `/live`.
//!
//! A Lambda is frozen between requests, for milliseconds or hours, and answers one request at a time. So nothing runs
//! in the background: open connections are checked when a request comes, and after a failure everything is reopened
//! once before the client gets an error. The Lambda never rebuilds ranks, which servers do, and shows `null` instead of
//! a rank that may be wrong.

mod game;
mod secret;
mod settings;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Uri};
use axum::response::{IntoResponse as _, Response};
use lambda_http::{RequestExt as _, service_fn};
use serve::{Cause, Refused, chain, not_stored};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::warn;

use crate::bounds::{ANSWER_MS_MAX, INIT_MS_MAX, SECRET_PAUSE_MS};
use game::{Game, OpenError};
use secret::{Login, Secret, Version};
pub use settings::Settings;

/// The clock, in Unix milliseconds.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Answers requests until the process ends.
///
/// # Errors
/// When Lambda's runtime interface fails.
pub async fn run(settings: Settings, now_ms: NowMs) -> Result<(), lambda_http::Error> {
    let lambda = Arc::new(Lambda::new(settings, now_ms));
    lambda.prepare().await;
    lambda_http::run(service_fn(move |request: lambda_http::Request| {
        let lambda = Arc::clone(&lambda);
        async move { Ok::<_, Infallible>(lambda.answer(request.method(), &target(&request)).await) }
    }))
    .await
}

/// The target of a request as the client wrote it: the runtime's own URI has `..` and the like resolved.
fn target(request: &lambda_http::Request) -> Uri {
    let path = request.raw_http_path();
    let written = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    written.parse().unwrap_or_else(|_| request.uri().clone())
}

/// Answers requests, one at a time.
struct Lambda {
    settings: Settings,
    secret: Secret,
    now_ms: NowMs,
    state: Mutex<State>,
}

/// The state between requests.
struct State {
    /// `None`: nothing is open, or it must be reopened.
    game: Option<Game>,
    /// The last login that was tried.
    login: Option<Login>,
    /// When the current version of the secret was last read, in Unix milliseconds.
    asked_ms: Option<i64>,
}

impl Lambda {
    fn new(settings: Settings, now_ms: NowMs) -> Self {
        let secret = Secret::new(&settings);
        let state = Mutex::new(State { game: None, login: None, asked_ms: None });
        Self { settings, secret, now_ms, state }
    }

    /// Opens everything before the first request. After a failure, requests retry.
    async fn prepare(&self) {
        let opening = async {
            let mut state = self.state.lock().await;
            match Box::pin(self.open(&mut state)).await {
                Ok(game) => state.game = Some(game),
                Err(error) => warn!(error = chain(&error), "store unavailable at init"),
            }
        };
        if timeout(Duration::from_millis(INIT_MS_MAX), opening).await.is_err() {
            warn!("store unavailable at init: not open within {INIT_MS_MAX} ms");
        }
    }

    async fn answer(&self, method: &Method, uri: &Uri) -> Response {
        let answering = Box::pin(self.try_twice(method, uri));
        let answered = timeout(Duration::from_millis(ANSWER_MS_MAX), answering).await;
        let late =
            |_| Refused::unavailable(format_args!("no answer within {ANSWER_MS_MAX} ms")).into_response();
        let mut response = answered.unwrap_or_else(late);
        if response.status().is_server_error() {
            let cause = response.extensions().get::<Cause>().map_or("", |cause| cause.0.as_str());
            warn!(path = uri.path(), status = response.status().as_u16(), cause, "request failed");
        }
        not_stored(response.headers_mut());
        response
    }

    async fn try_twice(&self, method: &Method, uri: &Uri) -> Response {
        let mut state = self.state.lock().await;
        if let Some(mut game) = state.game.take() {
            let (response, sound) = game.answer(method, uri, (self.now_ms)()).await;
            if sound {
                state.game = Some(game);
                return response;
            }
            // While this process was frozen, connections may have died, and the password or the game may have changed.
        }
        match self.open(&mut state).await {
            Ok(mut game) => {
                let (response, sound) = game.answer(method, uri, (self.now_ms)()).await;
                state.game = sound.then_some(game);
                response
            }
            Err(error) => Refused::unavailable(chain(&error)).into_response(),
        }
    }

    /// Opens the game with the known login. If it is rejected, tries the secret's current version, then the previous
    /// one, which is valid while a rotation is under way.
    async fn open(&self, state: &mut State) -> Result<Game, OpenError> {
        let mut tried = Vec::new();
        let mut refusal = OpenError::TooSoon;
        for version in [None, Some(Version::Current), Some(Version::Previous)] {
            let login = match version {
                None => state.login.clone(),
                Some(version) => match self.read_login(state, version).await {
                    Ok(login) => Some(login),
                    Err(OpenError::Secret(_)) if version == Version::Previous => None,
                    Err(OpenError::TooSoon) => break,
                    Err(error) => return Err(error),
                },
            };
            let Some(login) = login.filter(|login| !tried.contains(login)) else { continue };
            state.login = Some(login.clone());
            match Game::open(&self.settings, &login, &self.now_ms).await {
                Err(OpenError::Store { source }) if source.is_login_refused() => {
                    refusal = OpenError::Refused { secret: self.settings.secret_id.clone(), source };
                    tried.push(login);
                }
                opened => return opened,
            }
        }
        Err(refusal)
    }

    async fn read_login(&self, state: &mut State, version: Version) -> Result<Login, OpenError> {
        let now_ms = (self.now_ms)();
        let asked_lately = |asked_ms| (0..SECRET_PAUSE_MS).contains(&(now_ms - asked_ms));
        if version == Version::Current {
            if state.asked_ms.is_some_and(asked_lately) {
                return Err(OpenError::TooSoon);
            }
            state.asked_ms = Some(now_ms);
        }
        Ok(Box::pin(self.secret.read(version)).await?)
    }
}
