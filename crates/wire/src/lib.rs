//! What crosses a process boundary: the bodies that phones send and get, the problems they are told of, and the
//! versioned envelope in which commands travel through the inbox.
//!
//! What it is not: nothing here does I/O or knows HTTP's framework. Who calls it: ingest and fetch (requests,
//! responses, problems), the handler and the scheduler (envelope, commands).

mod body;
mod command;
mod digits;
mod envelope;
mod fields;
mod problem;
mod query;
mod request;
mod response;

pub use body::{AddBody, IdempotencyKey, LimitNumber, OpenRoundBody, PowerupBody, PressBody, UsernameText};

pub use command::{decode_action, encode_action};
pub use digits::digits;
pub use envelope::{
    DecodeError, ENVELOPE_BYTES_MAX, Entry, Envelope, EnvelopeBuilder, VERSION, decode, entry_id, with_id,
};
pub use problem::{FieldError, Problem, ProblemKind};
pub use query::{limit, username};
pub use request::{BODY_BYTES_MAX, lead_ms, parse_add, parse_powerup, parse_press};
pub use response::{
    Accepted, BoardRow, LastPressView, LastPurchaseView, LiveRound, LiveState, PowerupView, PowerupsView,
    Readiness, RoundView, SelfView,
};
