//! Medians, fsyncs, verdicts, and whether others disturbed the run.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use engine::clock::Stopwatch;

use crate::Outcome;

/// Syncs whose median is taken.
const SYNCS: usize = 100;
/// Share of the machine from which on others disturb what is measured, in percent.
const OTHERS_PERCENT_MAX: f64 = 10.0;
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

/// What of the processors' time has been used since the start of the system, and by this process and the servers that it
/// has started and ended. Only known on Linux.
pub(crate) struct Processors {
    all: f64,
    idle: f64,
    own: f64,
}

impl Processors {
    pub(crate) fn read() -> Option<Self> {
        let numbers = |text: &str| text.split_whitespace().map_while(|number| number.parse().ok()).collect();
        // proc_stat(5), in ticks: user, nice, system, idle, iowait, irq, softirq, steal, and guests, which are in user.
        let system = std::fs::read_to_string("/proc/stat").ok()?;
        let system: Vec<f64> = numbers(system.strip_prefix("cpu ")?);
        // proc_pid_stat(5): after the name in brackets and the state, utime and stime stand as 12th and 13th, then the
        // same of children that were waited for.
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        let own: Vec<f64> = numbers(own.rsplit_once(')')?.1.trim_start().get(1..)?);
        Some(Self {
            all: system.get(..8)?.iter().sum(),
            idle: system.get(3..5)?.iter().sum(),
            own: own.get(10..14)?.iter().sum(),
        })
    }

    /// Says what others used of the machine since then: what is measured beside them is worth little.
    pub(crate) fn print_others_since(&self, before: &Self) {
        let (all, own) = (self.all - before.all, self.own - before.own);
        let others = all - (self.idle - before.idle) - own;
        let percent = 100.0 * others.max(0.0) / all.max(1.0);
        let word = if percent > OTHERS_PERCENT_MAX { "too much, run again when it is quiet" } else { "ok" };
        println!("  used by others meanwhile: {percent:.0} % of the processors ({word})");
    }
}
