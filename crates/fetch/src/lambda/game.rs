//! The game that is read, as far as it is open: the store, the ranks, and the routes over them.

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

/// Why there is no game to be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret was read a moment ago.
    #[error("the secret was read a moment ago")]
    TooSoon,
    /// The store.
    #[error("cannot open the store")]
    Store {
        /// What it said.
        #[from]
        source: store::Error,
    },
    /// The login that the secret holds is not let in.
    #[error("the store refuses the login of the secret {secret}")]
    Refused {
        /// Where the secret is.
        secret: String,
        /// What the store said.
        source: store::Error,
    },
    /// A new game, of which nobody has decided what it belongs to.
    #[error("no game has begun in this store")]
    Unsettled,
    /// The address of the ranks.
    #[error("cannot use the board")]
    Ranks {
        /// What is wrong with it.
        #[from]
        source: ranks::Error,
    },
}

/// A game that is open.
pub(super) struct Game {
    router: Router,
    reader: Reader,
    ranks: Option<Arc<Ranks>>,
    identity: Identity,
    /// When it was last looked at, Unix milliseconds.
    looked_ms: i64,
}

impl Game {
    /// Opens it with this login.
    pub(super) async fn open(settings: &Settings, login: &Login, now_ms: &NowMs) -> Result<Self, OpenError> {
        let options = Options {
            readers: 1,
            statement_ms_max: STATEMENT_MS_MAX,
            connect_ms_max: CONNECT_MS_MAX,
            ..Options::default()
        };
        let store = Store::postgres(&settings.store_url_for(login), options)?;
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
        let looked_ms = now_ms();
        let game = Self { router, reader, ranks, identity, looked_ms };
        game.watch_ranks(looked_ms).await;
        Ok(game)
    }

    /// Answers a request, and says whether the game can be used further. If not, the answer may be due to that.
    pub(super) async fn answer(&mut self, method: &Method, uri: &Uri, now_ms: i64) -> (Response, bool) {
        if !(0..CHECK_PAUSE_MS).contains(&(now_ms - self.looked_ms)) {
            self.looked_ms = now_ms;
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
            // With another number of partitions, players are elsewhere.
            Some(ProblemKind::UnknownPlayer) => self.is_current().await.is_ok(),
            _ => true,
        };
        (response, sound)
    }

    /// Whether the game is still the one that was opened; if not, or if that cannot be known, what to answer.
    async fn is_current(&self) -> Result<(), Refused> {
        match self.reader.identity().await.map_err(|error| store_failed(&error))? {
            Some(identity) if identity == self.identity => Ok(()),
            _ => Err(Refused::unavailable("the game has moved to another inbox")),
        }
    }

    async fn watch_ranks(&self, now_ms: i64) {
        let Some(ranks) = &self.ranks else { return };
        let watching = ranks.watch(&self.reader, now_ms);
        match timeout(Duration::from_millis(WATCH_MS_MAX), watching).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = chain(&error), "ranks may be missing"),
            Err(_) => {
                debug!("ranks may be missing: comparing them takes longer than {WATCH_MS_MAX} ms")
            }
        }
    }
}
