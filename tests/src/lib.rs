//! The servers that tests run against: real ones, started on loopback for one test process and ended with it.
//!
//! What it is not: it knows nothing of the game. Who uses it: the tests and benches of every package.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is missing")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub mod lambda;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod sqs;

/// The folder in which the build, and what the tests install beside it, stands: where `.ci/test` puts its part, whatever
/// made the folder and wherever Cargo was told to build.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target")
}

/// Says that a check was not made, and why: past the test harness, which keeps to itself what a test that ends well has
/// printed.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let check = thread.name().unwrap_or_default();
    // Where there is no standard error, nobody reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {check}: {why}");
}
