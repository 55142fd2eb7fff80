//! `/fetch/self` and `/fetch/lb`.

use std::sync::Arc;

use axum::extract::{FromRef, RawQuery, State};
use axum::http::{HeaderName, HeaderValue, header};
use game::{LastPress, LastPurchase, Player, PowerupKind, partition_of};
use ranks::Ranks;
use serve::{Auth, Caller, Json, Refused, Routes};
use store::{PlayerView, Reader};
use utoipa::IntoResponses;
use utoipa_axum::routes;
use wire::{
    BoardRow, LastPressView, LastPurchaseView, PowerupView, PowerupsView, Problem, ProblemKind, RoundView,
    SelfView,
};

use crate::problem::store_failed;
use crate::rules;

/// A cache in front may keep the top for a second: it is the same for everybody, and changes all the time while a round
/// is lit.
const TOP_CACHED: Headers = [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"))];

type Headers = [(HeaderName, HeaderValue); 1];

/// What the read routes need.
#[derive(Clone)]
pub struct FetchState {
    pub reader: Reader,
    /// `None` in a process without ranks.
    pub ranks: Option<Arc<Ranks>>,
    pub partitions: u16,
    /// How players sign in.
    pub auth: Auth,
    /// The clock, in Unix milliseconds.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl FromRef<FetchState> for Auth {
    fn from_ref(state: &FetchState) -> Self {
        state.auth
    }
}

/// The read routes, with their documentation.
pub fn routes() -> Routes<FetchState> {
    Routes::new().route(routes!(fetch_self)).route(routes!(fetch_lb)).route(routes!(rules::rules))
}

/// The errors of a read.
#[derive(IntoResponses)]
pub enum ReadRefusals {
    /// No such query
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The database does not answer
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Everything about one player.
#[utoipa::path(
    get, path = "/fetch/self", tag = "fetch",
    params(("username" = inline(wire::UsernameText), Query, description = "Who; percent-decoded, exactly once", example = "ada")),
    responses(
        (status = 200, description = "The player", body = SelfView),
        (status = 404, description = "Nobody has this username", body = Problem, content_type = "application/problem+json"),
        ReadRefusals,
    )
)]
async fn fetch_self(
    State(state): State<FetchState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<SelfView>, Refused> {
    let username = caller.acts_as(wire::username(query.as_deref())?);
    let now_ms = (state.now_ms)();
    let partition = partition_of(username.as_str(), state.partitions);
    let view =
        state.reader.player(&username, partition, now_ms).await.map_err(|error| store_failed(&error))?;
    let view = view.ok_or(ProblemKind::UnknownPlayer)?;
    let rank = match &state.ranks {
        Some(ranks) => ranks.rank(&view.standing, &view.positions, now_ms).await,
        None => None,
    };
    Ok(Json(self_view(&view, rank, now_ms)))
}

/// The best players.
#[utoipa::path(
    get, path = "/fetch/lb", tag = "fetch",
    params(("limit" = inline(Option<wire::LimitNumber>), Query, description = "1 to 100, in digits; 10 if left out", example = 10)),
    responses(
        (status = 200, description = "Best first; empty on an empty game", body = Vec<BoardRow>),
        ReadRefusals,
    )
)]
async fn fetch_lb(
    State(state): State<FetchState>,
    RawQuery(query): RawQuery,
) -> Result<(Headers, Json<Vec<BoardRow>>), Refused> {
    let limit = wire::limit(query.as_deref())?;
    let rows = top_rows(&state.reader, limit).await.map_err(|error| store_failed(&error))?;
    Ok((TOP_CACHED, Json(rows)))
}

/// The best `limit` players, as clients get them.
///
/// # Errors
/// Those of the store.
pub async fn top_rows(reader: &Reader, limit: usize) -> Result<Vec<BoardRow>, store::Error> {
    let rows = reader.top(limit).await?;
    let row = |row: store::TopRow| BoardRow {
        rank: row.rank,
        username: row.username.as_str().to_owned(),
        name: row.name.map(|name| name.as_str().to_owned()),
        score: row.score,
    };
    Ok(rows.into_iter().map(row).collect())
}

fn self_view(view: &PlayerView, rank: Option<u64>, now_ms: i64) -> SelfView {
    let player = &view.player;
    let lit = view.lit.filter(|round| now_ms < player.closes_at_ms(round));
    SelfView {
        username: view.standing.username.as_str().to_owned(),
        name: player.name.as_ref().map(|name| name.as_str().to_owned()),
        score: player.score,
        streak: player.streak,
        rank,
        pressed: view.lit.is_some_and(|round| round.id == player.pressed_round),
        round: lit.map(|round| RoundView {
            round: round.id,
            opens_at: round.opens_at_ms,
            closes_at: player.closes_at_ms(&round),
        }),
        powerups: PowerupsView {
            freeze: powerup(player, PowerupKind::Freeze, now_ms),
            multiplier: powerup(player, PowerupKind::Multiplier, now_ms),
            extender: powerup(player, PowerupKind::Extender, now_ms),
        },
        last_press: player.last_press.map(|press: LastPress| LastPressView {
            round: press.round,
            outcome: press.outcome.code().to_owned(),
            points: press.outcome.points(),
            arrived_at: press.arrived_at_ms,
        }),
        last_purchase: player.last_purchase.as_ref().map(|LastPurchase { id, outcome }| LastPurchaseView {
            id: id.as_str().to_owned(),
            outcome: outcome.code().to_owned(),
        }),
        now: now_ms,
    }
}

fn powerup(player: &Player, kind: PowerupKind, now_ms: i64) -> Option<PowerupView> {
    let effect = player.effect(kind).filter(|effect| effect.is_active(now_ms))?;
    let quantity = game::Powerup { kind, level: effect.level }.quantity();
    Some(PowerupView { quantity, from: effect.from_ms, until: effect.until_ms })
}
