//! `/rules`: the constants of the game, for clients that show prices and points.

use axum::http::{HeaderName, HeaderValue, header};
use game::{Level, Powerup, PowerupKind, SQUARED_FROM};
use serve::Json;
use wire::{LevelRules, PowerupRules, Problem, Rules};

/// A release may change the rules; clients learn it within five minutes.
const KEPT: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];

/// Prices, levels and points.
///
/// A round says itself when it closes: see `/live` and `/fetch/self`.
#[utoipa::path(
    get, path = "/rules", tag = "fetch",
    responses(
        (status = 200, description = "The same for everybody; it changes only with a release", body = Rules),
        (
            status = 503, description = "The process is starting", body = Problem,
            content_type = "application/problem+json",
        ),
    )
)]
pub(crate) async fn rules() -> ([(HeaderName, HeaderValue); 1], Json<Rules>) {
    let levels = |kind| {
        let of = |level: Level| {
            let powerup = Powerup { kind, level };
            LevelRules {
                quantity: powerup.quantity(),
                price: level.price(),
                duration_ms: powerup.duration_ms(),
            }
        };
        Level::ALL.map(of).to_vec()
    };
    let powerups = PowerupRules {
        freeze: levels(PowerupKind::Freeze),
        multiplier: levels(PowerupKind::Multiplier),
        extender: levels(PowerupKind::Extender),
    };
    (KEPT, Json(Rules { streak_squared_from: SQUARED_FROM, powerups }))
}
