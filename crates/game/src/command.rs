//! The commands of the game. Those of players and of the scheduler are sent through the same ordered inbox.

use crate::{DisplayName, Platform, Powerup, PurchaseId, Round, Token, Username};

/// When a command arrived and when the inbox stored it, in Unix milliseconds. Both are stamped before the rules run, so
/// that no rule needs a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    pub arrived_at_ms: i64,
    /// When the inbox stored the message, the same at each redelivery; `None` in a journal of an earlier version.
    pub stored_at_ms: Option<i64>,
}

impl Stamps {
    /// The stamps of a command without a storage time, as in a journal of an earlier version.
    pub fn of_arrival(arrived_at_ms: i64) -> Self {
        Self { arrived_at_ms, stored_at_ms: None }
    }
}

/// A command. Its [`Stamps`] are passed beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A player joins, or changes name, platform or token.
    Add(Add),
    /// A player presses the button.
    Press { username: Username },
    /// A player buys a powerup.
    Buy {
        username: Username,
        /// Makes retries idempotent.
        id: PurchaseId,
        powerup: Powerup,
    },
    /// The scheduler announces a round to this partition.
    Announce(Round),
    /// The scheduler states that everything that arrived up to this time is before this tick in the inbox.
    Tick {
        /// In Unix milliseconds.
        through_ms: i64,
    },
}

/// A player's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    pub username: Username,
    /// The display name; `None` keeps the current one.
    pub name: Option<DisplayName>,
    /// `None` keeps the current one.
    pub platform: Option<Platform>,
    /// The device to push to; `None` adds none.
    pub token: Option<Token>,
}

impl Action {
    /// The player of the command; `None` for the scheduler's commands, which concern a whole partition.
    pub fn username(&self) -> Option<&Username> {
        match self {
            Self::Add(Add { username, .. }) | Self::Press { username } | Self::Buy { username, .. } => {
                Some(username)
            }
            Self::Announce(_) | Self::Tick { .. } => None,
        }
    }
}
