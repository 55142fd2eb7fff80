//! The rules of the game: identifiers, commands, rounds, powerups, scoring, settling, ranking and the drawing of the
//! schedule.
//!
//! The rules are pure: nothing here does I/O, reads a clock or owns a random generator. Time comes with the commands
//! and randomness as a value, so that replaying the same commands gives the same state. The handler uses [`World`],
//! reads use [`Player::settled_view`], the scheduler uses [`schedule`], and `verify` replays the journal.
//!
//! Times are Unix milliseconds (`*_ms: i64`); durations are milliseconds too.

pub mod bounds;
mod command;
mod ids;
mod player;
mod powerup;
mod rank;
mod round;
pub mod schedule;
mod world;

pub use command::{Action, Add, Stamps};
pub use ids::{DisplayName, Fnv1a, Invalid, Platform, PurchaseId, Reason, Token, Username, partition_of};
pub use player::{LastPress, LastPurchase, Player, PressOutcome, PurchaseOutcome, SQUARED_FROM, curve};
pub use powerup::{Effect, Level, Powerup, PowerupKind};
pub use rank::{Standing, Top, merge_tops};
pub use round::{Announced, ExtenderHalves, KnownRound, Round, Rounds};
pub use world::{Changes, Device, Fault, Outcome, World};
