//! Real servers for tests, started on loopback for one test process and stopped with it.
//!
//! The tests and benches of every package use it; it has no code of the game.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is missing")]

use std::fs::OpenOptions;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};

pub mod lambda;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod sqs;

/// The workspace's `target` folder, into which `.ci/test` installs tools, even if Cargo builds elsewhere.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target")
}

/// The variable that names the file of what was skipped, which whoever starts the tests reads when they have ended.
const SKIPPED: &str = "TESTS_SKIPPED";

/// Says that a check was not made, and why: past the test harness, which keeps to itself what a test that ends well has
/// printed; and in the file of what was skipped, if there is one.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let check = thread.name().unwrap_or_default();
    let line = format!("skipped: {check}: {}\n", why.trim().replace('\n', " "));
    // Where there is no standard error, nobody reads it.
    let _ = stderr().write_all(line.as_bytes());
    #[expect(clippy::disallowed_methods, reason = "a test process is told by the one that starts it")]
    let file = std::env::var_os(SKIPPED);
    if let Some(file) = file {
        // One write for a line: other processes add theirs.
        OpenOptions::new().append(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
