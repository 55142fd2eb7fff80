//! Medians, fsyncs and verdicts.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use server::clock::Stopwatch;

use crate::Outcome;

/// Syncs whose median is taken.
const SYNCS: usize = 300;
/// What is written before each sync, in bytes: one page of the file system.
const SYNCED_BYTES: usize = 4096;

/// The middle of these values; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The values in a row, for people.
pub(crate) fn row(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:>8.0}")).collect()
}

/// Prints a ratio beside its goal.
pub(crate) fn verdict(what: &str, ratio: f64, goal: f64) {
    let word = if ratio >= goal { "ok" } else { "below goal" };
    println!("  {what}: {ratio:.2}, goal at least {goal}: {word}");
}

/// How long an fdatasync of one page takes in this folder, the median in milliseconds.
pub(crate) fn fsync_ms(folder: &Path) -> Outcome<f64> {
    let mut file = File::create(folder.join("fsync"))?;
    let page = [0x5a_u8; SYNCED_BYTES];
    let mut taken = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let watch = Stopwatch::start();
        file.rewind()?;
        file.write_all(&page)?;
        file.sync_data()?;
        taken.push(watch.seconds() * 1e3);
    }
    Ok(median(&taken))
}
