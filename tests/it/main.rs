//! The running binary, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod browser;
mod crash;
mod crowd;
mod files;
mod first_client;
mod inputs;
mod rounds;
mod support;
