//! Medians, fsync latency, verdicts, and the CPU use of other processes.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use engine::clock::Stopwatch;

use crate::Outcome;

/// Number of syncs for the median.
const SYNCS: usize = 100;
/// CPU share of other processes above which a measurement counts as disturbed, in percent.
const OTHERS_PERCENT_MAX: f64 = 10.0;
/// Bytes written before each sync: one page of the file system.
const SYNCED_BYTES: usize = 4096;

/// Median of these values; 0 if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The values as one line of text.
pub(crate) fn row(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:>8.0}")).collect()
}

/// Prints a ratio beside its goal.
pub(crate) fn verdict(what: &str, ratio: f64, goal: f64) {
    let word = if ratio >= goal { "ok" } else { "below goal" };
    println!("  {what}: {ratio:.2}, goal at least {goal}: {word}");
}

/// Median latency of an fdatasync of one page in this folder, in milliseconds.
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

/// CPU time used since boot by the system, and by this process with the servers that it started and stopped. Linux
/// only.
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
        // proc_pid_stat(5): after the name in parentheses and the state, fields 12 and 13 are utime and stime, then the
        // same for children that were waited for.
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        let own: Vec<f64> = numbers(own.rsplit_once(')')?.1.trim_start().get(1..)?);
        Some(Self {
            all: system.get(..8)?.iter().sum(),
            idle: system.get(3..5)?.iter().sum(),
            own: own.get(10..14)?.iter().sum(),
        })
    }

    /// Reports the CPU share of other processes since `before`: a measurement beside them is worth little.
    pub(crate) fn print_others_since(&self, before: &Self) {
        let (all, own) = (self.all - before.all, self.own - before.own);
        let others = all - (self.idle - before.idle) - own;
        let percent = 100.0 * others.max(0.0) / all.max(1.0);
        let word = if percent > OTHERS_PERCENT_MAX { "too much, run again when it is quiet" } else { "ok" };
        println!("  used by others meanwhile: {percent:.0} % of the processors ({word})");
    }
}
