//! Feeds whatever bytes to everything in `wire` that reads text from outside. How to run it: `Cargo.toml` beside it.

#![no_main]

#[path = "../../tests/it/drive.rs"]
mod drive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drive::drive(data));
