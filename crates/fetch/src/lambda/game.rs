//! The open game: the store, the ranks, and the routes over them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Uri};
use axum::response::{IntoResponse as _, Response};
use ranks::Ranks;
use serve::{Auth, Refused, chain, with_fallbacks};
use store::{Identity, Options, Reader, Store};
use tokio::time::timeout;
use tower::ServiceExt as _;
use tracing::debug;
use wire::ProblemKind;

use super::NowMs;
use super::secret::{Login, SecretError};
use super::settings::Settings;
use crate::bounds::{CHECK_PAUSE_MS, CONNECT_MS_MAX, STATEMENT_MS_MAX, WATCH_MS_MAX};
use crate::problem::store_failed;
use crate::{FetchState, routes};

/// Why the game cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the secret was read too recently to read it again")]
    TooSoon,
    #[error("cannot open the store")]
    Store {
        #[from]
        source: store::Error,
    },
    #[error("the store refuses the login of the secret {secret}")]
    Refused {
        /// The id of the secret.
        secret: String,
        source: store::Error,
    },
    /// The store has no identity yet: `migrate` has not run.
    #[error("the store has no identity yet: run `buttonparty migrate` first")]
    Unsettled,
    #[error("cannot use the ranks")]
    Ranks {
        #[from]
        source: ranks::Error,
    },
}

/// An open game.
pub(super) struct Game {
    router: Router,
    reader: Reader,
    ranks: Option<Arc<Ranks>>,
    identity: Identity,
    /// When it was last checked, in Unix milliseconds.
    checked_ms: i64,
}

impl Game {
    /// Opens the game with this login.
    pub(super) async fn open(settings: &Settings, login: &Login, now_ms: &NowMs) -> Result<Self, OpenError> {
        let options = Options {
            readers: 1,
            statement_ms_max: STATEMENT_MS_MAX,
            connect_ms_max: CONNECT_MS_MAX,
            ..Options::default()
        };
        let store = Store::postgres(&login.in_url(&settings.store_url), options)?;
        let reader = store.reader().await?;
        let identity = reader.identity().await?.ok_or(OpenError::Unsettled)?;
        let partitions = identity.partitions;
        let ranks = match &settings.board_url {
            Some(url) => Some(Arc::new(Ranks::redis(url, partitions)?)),
            None => None,
        };
        let now = Arc::clone(now_ms);
        let state = FetchState {
            reader: reader.clone(),
            ranks: ranks.clone(),
            partitions,
            auth: Auth::Open,
            now_ms: now,
        };
        let router = with_fallbacks(routes().with_state(state).into_router());
        let checked_ms = now_ms();
        let game = Self { router, reader, ranks, identity, checked_ms };
        game.watch_ranks(checked_ms).await;
        Ok(game)
    }

    /// Answers a request. `false`: the game must be reopened, and the response may be due to that.
    pub(super) async fn answer(&mut self, method: &Method, uri: &Uri, now_ms: i64) -> (Response, bool) {
        if !(0..CHECK_PAUSE_MS).contains(&(now_ms - self.checked_ms)) {
            self.checked_ms = now_ms;
            if let Err(refused) = self.is_current().await {
                return (refused.into_response(), false);
            }
            self.watch_ranks(now_ms).await;
        }
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let sound = match response.extensions().get::<ProblemKind>() {
            Some(ProblemKind::Unavailable) => false,
            // After a repartition, the player may be in another partition.
            Some(ProblemKind::UnknownPlayer) => self.is_current().await.is_ok(),
            _ => true,
        };
        (response, sound)
    }

    /// Checks that the store still has the identity that was opened; the error is the response.
    async fn is_current(&self) -> Result<(), Refused> {
        match self.reader.identity().await.map_err(|error| store_failed(&error))? {
            Some(identity) if identity == self.identity => Ok(()),
            _ => Err(Refused::unavailable("the game has another inbox now")),
        }
    }

    async fn watch_ranks(&self, now_ms: i64) {
        let Some(ranks) = &self.ranks else { return };
        let watching = ranks.watch(&self.reader, now_ms);
        match timeout(Duration::from_millis(WATCH_MS_MAX), watching).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = chain(&error), "comparing ranks failed; ranks may be null"),
            Err(_) => {
                debug!("comparing ranks took longer than {WATCH_MS_MAX} ms; ranks may be null")
            }
        }
    }
}
