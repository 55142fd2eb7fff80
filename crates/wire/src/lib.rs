//! What crosses a process boundary: the bodies that phones send and get, the problems they are told of, and
//! the commands of the game as JSON, as they travel through the inbox.
//!
//! What it is not: nothing here does I/O or knows HTTP's framework. Who calls it: ingest and fetch (requests,
//! responses, problems), the handler and the scheduler (commands).

mod body;
mod command;
mod digits;
mod fields;
mod problem;
mod query;
mod request;
mod response;

pub use body::{AddBody, IdempotencyKey, LimitNumber, OpenRoundBody, PowerupBody, PressBody, UsernameText};

pub use command::{DecodeError, decode_action, encode_action};
pub use digits::digits;
pub use problem::{FieldError, Problem, ProblemKind};
pub use query::{limit, username};
pub use request::{BODY_BYTES_MAX, lead_ms, parse_add, parse_powerup, parse_press};
pub use response::{
    Accepted, BoardRow, LastPressView, LastPurchaseView, LiveRound, LiveState, PowerupView, PowerupsView,
    Readiness, RoundView, SelfView,
};
