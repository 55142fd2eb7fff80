//! Loops that repeat a step until a stop: failures are retried with exponential backoff and logged.

use std::future::pending;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bounds::BACKOFF;
use crate::chain;
use crate::clock::Clock;

/// The rest after a step that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Not,
    For(Duration),
    /// Until this time, but no longer than `at_most`: the clock may be set meanwhile.
    Until {
        /// Unix milliseconds.
        at_ms: i64,
        at_most: Duration,
    },
}

/// The log messages of a loop.
#[derive(Debug, Clone, Copy)]
pub struct LoopLog {
    failing: &'static str,
    recovered: &'static str,
    every_time: bool,
}

impl LoopLog {
    /// Warns at the first of several failures in a row, and informs of the recovery.
    pub const fn once(failing: &'static str, recovered: &'static str) -> Self {
        Self { failing, recovered, every_time: false }
    }

    /// Warns at every failure, for a loop whose warnings an alarm counts.
    pub const fn every_time(failing: &'static str, recovered: &'static str) -> Self {
        Self { failing, recovered, every_time: true }
    }
}

/// The step of a loop; [`repeat`] runs the loop.
pub trait Repeat: Send {
    type Error: std::error::Error + Send;

    const LOG: LoopLog;

    /// Bounds of the first and of the longest retry pause; jitter takes off up to half.
    const PAUSES: (Duration, Duration) = BACKOFF;

    /// One step, which a stop does not cut off. Returns the rest after it.
    fn once(&mut self) -> impl Future<Output = Result<Rest, Self::Error>> + Send;

    /// Runs while the loop rests or pauses; the next step follows as soon as it returns.
    fn meanwhile(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// Whether a retry cannot help, so that the loop ends.
    fn is_fatal(&self, _: &Self::Error) -> bool {
        false
    }
}

/// Repeats the step until `stop`.
///
/// # Errors
/// The first fatal error.
pub async fn repeat<R: Repeat>(
    work: &mut R,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<(), R::Error> {
    let mut backoff = Backoff::new(R::PAUSES, clock);
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let wait = match work.once().await {
            Ok(rest) => {
                if failures > 0 {
                    info!(failures, "{}", R::LOG.recovered);
                    failures = 0;
                    backoff.reset();
                }
                if rest == Rest::Not {
                    continue;
                }
                Wait::Rest(rest)
            }
            Err(error) if work.is_fatal(&error) => return Err(error),
            Err(error) => {
                let error = chain(&error);
                if failures == 0 || R::LOG.every_time {
                    warn!(error, failures, "{}", R::LOG.failing);
                } else {
                    debug!(error, failures, "{}", R::LOG.failing);
                }
                failures = failures.saturating_add(1);
                Wait::Pause(backoff.next_pause())
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work.meanwhile() => {}
            () = wait.over(clock) => {}
        }
    }
    Ok(())
}

/// The wait between two steps.
enum Wait {
    Rest(Rest),
    Pause(Duration),
}

impl Wait {
    async fn over(self, clock: &Clock) {
        match self {
            Self::Pause(pause) => clock.pause(pause).await,
            Self::Rest(Rest::Not) => {}
            Self::Rest(Rest::For(rest)) => tokio::time::sleep(rest).await,
            Self::Rest(Rest::Until { at_ms, at_most }) => clock.sleep_until(at_ms, at_most).await,
        }
    }
}

/// The pauses between retries. The bound doubles with each; jitter takes off up to half of it, so that those who
/// failed together do not retry together.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    /// Changes with each reset.
    seed: u64,
    pauses: ExponentialBackoff,
}

impl Backoff {
    /// From the first to the longest bound. On a manual clock the pauses are always the same.
    pub fn new((min, max): (Duration, Duration), clock: &Clock) -> Self {
        // The builder adds jitter of up to the whole delay on top of it.
        let builder = ExponentialBuilder::new()
            .with_min_delay(min / 2)
            .with_max_delay(max / 2)
            .without_max_times()
            .with_jitter();
        let seed = clock.seed();
        Self { builder, seed, pauses: builder.with_jitter_seed(seed).build() }
    }

    /// The pause before the next retry.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or_default() // it never ends
    }

    /// Starts again from the first bound, after a success.
    pub fn reset(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.pauses = self.builder.with_jitter_seed(self.seed).build();
    }
}
