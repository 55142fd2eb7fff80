//! HTTP, for the server and the fetch Lambda: the accept loop with its bounds, bodies with bounds, JSON and problems as
//! answers, request ids, measuring, health, and how a cause gets into the log.
//!
//! What it is not: no route of the game is here, no status code (those are `wire`'s), and nothing that a process
//! depends on: health asks functions. It reads no clock: [`Elapsed`] is given.

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
