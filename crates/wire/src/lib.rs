//! The formats that cross a process boundary: bodies of requests and responses, problems, and the game's commands as
//! JSON in the inbox.
//!
//! Nothing here does I/O or knows the HTTP framework. Ingest and fetch use requests, responses and problems; the
//! handler and the scheduler use commands.

mod body;
mod command;
mod digits;
mod fields;
mod problem;
mod query;
mod request;
mod response;

pub use body::{AddBody, IdempotencyKey, LimitNumber, OpenRoundBody, PowerupBody, PressBody, UsernameText};

pub use command::{DecodeError, decode_action, encode_action, encode_purchase};
pub use digits::digits;
pub use problem::{FieldError, Problem, ProblemKind};
pub use query::{limit, username};
pub use request::{BODY_BYTES_MAX, lead_ms, parse_add, parse_powerup, parse_press};
pub use response::{
    Accepted, BoardRow, LastPressView, LastPurchaseView, LevelRules, LiveRound, LiveState, PowerupRules,
    PowerupView, PowerupsView, Readiness, RoundView, Rules, SelfView,
};
