//! The servers that tests run against: real ones, started on loopback for one test process and ended with it.
//!
//! What it is not: it knows nothing of the game. Who uses it: the tests and benches of every package.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is missing")]

pub mod lambda;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod sqs;
