//! The read routes, `/fetch/self` and `/fetch/lb`.
//!
//! Nothing here can write: the routes hold a [`store::Reader`], whose connections are read-only. The server's fetch
//! role uses this crate, and so does the Lambda, which is its binary.

mod bounds;
pub mod lambda;
mod problem;
mod routes;

pub use routes::{FetchState, ReadRefusals, routes, top_rows};
