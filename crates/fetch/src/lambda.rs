//! The read routes as an AWS Lambda function behind an HTTP API: the same as the server's, without `/live`.
//!
//! A Lambda is frozen between requests, for milliseconds or hours, and answers one request at a time. So nothing runs in
//! the background here: what was opened is looked at when a request comes, and what fails a request is opened anew,
//! once, before the failure is told. It never rebuilds ranks, which the servers do, and shows `null` instead of a
//! rank that is not sure.

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
pub use settings::{SETTINGS, Settings, SettingsError};

/// What time it is, in Unix milliseconds.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Answers requests until the process is ended.
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

/// What was asked for, as it was written: the runtime's own reading of it resolves `..` and the like.
fn target(request: &lambda_http::Request) -> Uri {
    let path = request.raw_http_path();
    let written = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    written.parse().unwrap_or_else(|_| request.uri().clone())
}

/// What answers requests, one at a time.
struct Lambda {
    settings: Settings,
    secret: Secret,
    now_ms: NowMs,
    state: Mutex<State>,
}

/// What lasts from one request to the next.
struct State {
    /// `None`: nothing is open, or what was is not to be used again.
    game: Option<Game>,
    /// The last one that was tried.
    login: Option<Login>,
    /// When the secret was last asked for its present one, Unix milliseconds.
    asked_ms: Option<i64>,
}

impl Lambda {
    fn new(settings: Settings, now_ms: NowMs) -> Self {
        let secret = Secret::new(&settings.aws, &settings.secret_id);
        let state = Mutex::new(State { game: None, login: None, asked_ms: None });
        Self { settings, secret, now_ms, state }
    }

    /// Opens everything ahead of the first request. What fails is tried again by the requests.
    async fn prepare(&self) {
        let opening = async {
            let mut state = self.state.lock().await;
            match Box::pin(self.open(&mut state)).await {
                Ok(game) => state.game = Some(game),
                Err(error) => warn!(error = chain(&error), "requests must wait"),
            }
        };
        if timeout(Duration::from_millis(INIT_MS_MAX), opening).await.is_err() {
            warn!("requests must wait: opening takes longer than {INIT_MS_MAX} ms");
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
            // It may have died while this process was frozen, or its password or its game may be of the past.
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

    /// Opens the game with the login that is known; where that is refused, with the present one of the secret; where the
    /// store does not know that yet, because a rotation is under way, with the one before.
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
