//! Shared helpers: shorthands for commands, and the tables.

pub(crate) mod table;

use game::{Action, Add, DisplayName, Platform, Powerup, PowerupKind, PurchaseId, Round, Token, Username};

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const WINDOW_MS: i64 = 100_000;
pub(crate) const GRACE_MS: i64 = 10_000;

pub(crate) fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// A round of the default length: 100 s and 10 s of grace.
pub(crate) fn round(id: u64, opens_at_ms: i64) -> Round {
    Round::new(id, opens_at_ms, WINDOW_MS, GRACE_MS).unwrap()
}

pub(crate) fn add(name: &str) -> Action {
    add_with(name, None, None, None)
}

pub(crate) fn add_with(
    username: &str,
    name: Option<&str>,
    platform: Option<Platform>,
    token: Option<&str>,
) -> Action {
    Action::Add(Add {
        username: user(username),
        name: name.map(|name| DisplayName::new(name).unwrap()),
        platform,
        token: token.map(|token| Token::new(token).unwrap()),
    })
}

pub(crate) fn press(name: &str) -> Action {
    Action::Press { username: user(name) }
}

pub(crate) fn buy(name: &str, id: &str, kind: PowerupKind, quantity: f64) -> Action {
    Action::Buy {
        username: user(name),
        id: PurchaseId::new(id).unwrap(),
        powerup: Powerup::from_quantity(kind, quantity).unwrap(),
    }
}
