//! What can happen to a game. Commands of players and of the scheduler travel in the same ordered inbox.

use crate::{DisplayName, Platform, Powerup, PurchaseId, Round, Token, Username};

/// When a command arrived and when the inbox stored it, Unix milliseconds. Both were stamped on its way, so that no
/// rule looks at a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    /// When it arrived.
    pub arrived_at_ms: i64,
    /// When the inbox stored its message, the same at each redelivery; `None` in a journal of before this was kept.
    pub stored_at_ms: Option<i64>,
}

impl From<i64> for Stamps {
    /// Of a command of which only the arrival is known.
    fn from(arrived_at_ms: i64) -> Self {
        Self { arrived_at_ms, stored_at_ms: None }
    }
}

/// One thing that happens. When it arrived stands beside it, not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A player joins, or changes name, platform or token.
    Add(Add),
    /// A player presses the button.
    Press {
        /// Who presses.
        username: Username,
    },
    /// A player buys a powerup.
    Buy {
        /// Who buys.
        username: Username,
        /// The id that makes a retry harmless.
        id: PurchaseId,
        /// What is bought.
        powerup: Powerup,
    },
    /// The scheduler announces a round to this partition.
    Announce(Round),
    /// The scheduler says that everything that arrived up to this time stands before this tick.
    Tick {
        /// Unix milliseconds.
        through_ms: i64,
    },
}

/// A player's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Who joins.
    pub username: Username,
    /// The name to show on the board; `None` keeps what is known.
    pub name: Option<DisplayName>,
    /// The kind of device; `None` keeps what is known.
    pub platform: Option<Platform>,
    /// The device to push to; `None` adds none.
    pub token: Option<Token>,
}

impl Action {
    /// The player whom this concerns; `None` for the scheduler's commands, which concern a whole partition.
    pub fn username(&self) -> Option<&Username> {
        match self {
            Self::Add(Add { username, .. }) | Self::Press { username } | Self::Buy { username, .. } => {
                Some(username)
            }
            Self::Announce(_) | Self::Tick { .. } => None,
        }
    }
}
