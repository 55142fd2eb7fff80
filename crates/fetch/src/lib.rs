//! The read routes, `/fetch/self` and `/fetch/lb`.
//!
//! What it is not: nothing here can write; it holds a [`store::Reader`], whose connection is read-only. Who uses it:
//! the server's fetch role, and the Lambda, which is the binary of this package.

mod bounds;
pub mod lambda;
mod problem;
mod routes;

pub use routes::{FetchState, ReadRefusals, routes, top_rows};
