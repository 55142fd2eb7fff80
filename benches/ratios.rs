//! Performance of the game as ratios to a named limit that is measured in the same run, because absolute figures vary
//! between machines and runs. A slow result never fails.
//!
//! `cargo bench -p benches` runs all benchmarks; `cargo bench -p benches -- ingest` (or `apply`, `postgres`) runs one.

mod apply;
mod ingest;
mod load;
mod ours;
mod postgres;
mod report;

use std::error::Error;

use report::Processors;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Result of any step of a benchmark.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often each side is measured, in turn; the medians are compared.
const RUNS: u64 = 5;

/// A new folder for the files of one run, inside the build folder: the system's temporary folder may be in memory.
fn folder() -> Outcome<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

fn main() -> Outcome<()> {
    let asked: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    // As in the real process: the measurement includes metrics and the log filter.
    server::telemetry::init_logs("warn", server::config::LogFormat::Text)?;
    let metrics = server::telemetry::init_metrics()?;
    let cores = std::thread::available_parallelism()?;
    println!("Medians of {RUNS} runs in turn, on {cores} cores that everything shares.");
    if wants("ingest") {
        beside_others(|| ingest::compare(&metrics))?;
    }
    let runtime = || Builder::new_multi_thread().enable_all().thread_name("apply").build();
    if wants("apply") {
        beside_others(|| runtime()?.block_on(apply::compare()))?;
    }
    if wants("postgres") {
        beside_others(|| runtime()?.block_on(postgres::compare()))?;
    }
    Ok(())
}

/// Runs a measurement, and reports how much other processes disturbed it.
fn beside_others(measure: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    let before = Processors::read();
    measure()?;
    if let (Some(before), Some(after)) = (before, Processors::read()) {
        after.print_others_since(&before);
    }
    Ok(())
}
