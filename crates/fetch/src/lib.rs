//! The read routes: `/fetch/self`, `/fetch/lb` and `/rules`.
//!
//! Nothing here can write: the routes hold a [`store::Reader`], whose connections are read-only. The server's fetch
//! role uses this crate, and so does the Lambda, which is its binary.

mod bounds;
pub mod lambda;
mod problem;
mod routes;
mod rules;

pub use routes::{FetchState, ReadRefusals, routes, top_rows};
