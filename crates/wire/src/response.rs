//! What phones get: the bodies of answers and of live events. All times are Unix milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A command is durably in the inbox. What becomes of it shows in `/fetch/self`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The command's id.
    #[schema(example = "5f1d20c49ab37e08-2a.0")]
    pub id: String,
    /// When it arrived; the rules judge it by this.
    #[schema(example = 1_790_000_000_123_i64)]
    pub arrived_at: i64,
}

/// A round as one player, or everybody, is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// Its number: 1, 2, 3, …
    #[schema(example = 7)]
    pub round: u64,
    /// When it opens.
    #[schema(example = 1_790_000_000_000_i64)]
    pub opens_at: i64,
    /// When it closes; in `/fetch/self` with the player's extender.
    #[schema(example = 1_790_000_100_000_i64)]
    pub closes_at: i64,
}

/// A powerup that is active.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PowerupView {
    /// The level last bought: hours of a freeze, factor of a multiplier or an extender.
    #[schema(example = 2.0)]
    pub quantity: f64,
    /// When it began.
    pub from: i64,
    /// When it ends.
    pub until: i64,
}

/// The powerups that are active now; `null` for those that are not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub struct PowerupsView {
    /// Missed rounds are forgiven.
    pub freeze: Option<PowerupView>,
    /// Points count several times.
    pub multiplier: Option<PowerupView>,
    /// The button stays lit longer.
    pub extender: Option<PowerupView>,
}

/// The last press of a player.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastPressView {
    /// The round that it was judged against; `null` when none was open.
    pub round: Option<u64>,
    /// `counted`, `not_open`, `already_pressed` or `too_late`.
    #[schema(example = "counted")]
    pub outcome: String,
    /// Points that it brought.
    pub points: u64,
    /// When it arrived.
    pub arrived_at: i64,
}

/// The last purchase of a player.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastPurchaseView {
    /// Its id: the `Idempotency-Key`, or the one made on arrival.
    pub id: String,
    /// `bought`, `higher_level_active` or `not_enough_points`.
    #[schema(example = "bought")]
    pub outcome: String,
}

/// Everything about one player.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelfView {
    /// Who.
    #[schema(example = "ada")]
    pub username: String,
    /// The name on the board, if one was given.
    pub name: Option<String>,
    /// Points.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub score: u64,
    /// Counted presses since the last miss.
    pub streak: u64,
    /// 1 + the number of players strictly ahead; `null` while it cannot be said exactly.
    pub rank: Option<u64>,
    /// Whether the latest round that opened holds a counted press of this player.
    pub pressed: bool,
    /// The round that is lit for this player now, or `null`.
    pub round: Option<RoundView>,
    /// What is active now.
    pub powerups: PowerupsView,
    /// The last press, or `null`.
    pub last_press: Option<LastPressView>,
    /// The last purchase, or `null`.
    pub last_purchase: Option<LastPurchaseView>,
    /// The server's time of this answer, so that a phone with a wrong clock can still count down.
    pub now: i64,
}

/// One row of the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardRow {
    /// 1 + the number of players strictly ahead.
    #[schema(example = 1)]
    pub rank: u64,
    /// Who.
    #[schema(example = "ada")]
    pub username: String,
    /// The name to show, if one was given.
    pub name: Option<String>,
    /// Points.
    #[schema(example = 410)]
    pub score: u64,
}

/// The rules that a client shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rules {
    /// A counted press brings as many points as the streak is long, and from this length on its square.
    #[schema(example = 10)]
    pub streak_squared_from: u64,
    pub powerups: PowerupRules,
}

/// The levels of each kind of powerup, cheapest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub struct PowerupRules {
    pub freeze: Vec<LevelRules>,
    pub multiplier: Vec<LevelRules>,
    pub extender: Vec<LevelRules>,
}

/// A level of a powerup that can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LevelRules {
    /// The `quantity` that `POST /powerups` takes: hours of a freeze, factor of a multiplier or an extender.
    #[schema(example = 2.0)]
    pub quantity: f64,
    /// Points.
    #[schema(example = 60)]
    pub price: u64,
    /// How long it is active.
    #[schema(example = 21_600_000)]
    pub duration_ms: i64,
}

/// Whether a round opened or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LiveState {
    /// The button is lit.
    Open,
    /// The button is dark again for players without an extender.
    Closed,
}

/// The data of the live event `round`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveRound {
    /// What happened.
    pub state: LiveState,
    /// The round.
    pub round: u64,
    /// When it opened.
    pub opens_at: i64,
    /// When it closes for players without an extender.
    pub closes_at: i64,
    /// The server's time of this event.
    pub now: i64,
}

/// Whether a process can do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// All of it.
    pub ready: bool,
    /// What it depends on, by name: `ok`, or what is wrong.
    #[schema(example = json!({"inbox": "ok", "store": "ok"}))]
    pub checks: BTreeMap<String, String>,
}
