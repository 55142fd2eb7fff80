//! HTTP for the server and the fetch Lambda: the accept loop, bounded bodies, JSON and problems as responses, request
//! ids, metrics, health, and causes for the log.
//!
//! It contains no route of the game and no status code (those are `wire`'s), knows no dependency of a process (checks
//! are functions), and reads no clock ([`Elapsed`] is given).

mod accept;
mod answer;
mod app;
mod bearer;
mod body;
pub mod bounds;
mod caller;
mod connection;
pub mod health;
mod host;
pub mod metrics;
mod refusals;
mod routes;
mod starting;

pub use accept::{Limits, connections_max, serve};
pub use answer::{Cause, Durable, Json, Refused, chain, json, not_stored, problem, with_fallbacks};
pub use app::{App, Elapsed, IDEMPOTENCY_KEY};
pub use bearer::{bearer_token, same_secret};
pub use body::{body, discard, field};
pub use caller::{Auth, Caller};
pub use connection::LongLived;
pub use refusals::BodyRefusals;
pub use routes::{Label, Routes};
