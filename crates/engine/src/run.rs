//! What is done again and again until a stop: what fails is tried again after a pause that grows, and the log says so.

use std::future::pending;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bounds::BACKOFF_MS;
use crate::chain;
use crate::clock::Clock;

/// How long a loop rests behind a step that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The next step follows at once.
    Not,
    /// For so long.
    For(Duration),
    /// Until this time, or for so long if that is less: the clock may be set meanwhile.
    Until {
        /// Unix milliseconds.
        at_ms: i64,
        /// The longest rest.
        at_most: Duration,
    },
}

/// What the log says of a loop whose steps fail.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    fails: &'static str,
    works: &'static str,
    every_time: bool,
}

impl Told {
    /// A warning at the first of several failures in a row, and word when it works again.
    pub const fn once(fails: &'static str, works: &'static str) -> Self {
        Self { fails, works, every_time: false }
    }

    /// The same with a warning at every failure: for a loop whose warnings are counted by an alarm.
    pub const fn every_time(fails: &'static str, works: &'static str) -> Self {
        Self { fails, works, every_time: true }
    }
}

/// What a loop does again and again; [`repeat`] is the loop.
pub trait Repeat: Send {
    /// Why a step fails.
    type Error: std::error::Error + Send;

    /// What the log says of it.
    const TOLD: Told;

    /// The bounds of the first and of the longest pause behind a failure, in milliseconds; up to half of each is left out.
    const PAUSES_MS: (u64, u64) = BACKOFF_MS;

    /// One step, which a stop does not cut off. Says how long to rest behind it.
    fn once(&mut self) -> impl Future<Output = Result<Rest, Self::Error>> + Send;

    /// What goes on while the loop rests or pauses; once it is done, the next step follows at once.
    fn meanwhile(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// Whether trying again cannot help: the loop ends.
    fn is_fatal(&self, _: &Self::Error) -> bool {
        false
    }
}

/// Repeats until `stop`.
///
/// # Errors
/// The first that is fatal.
pub async fn repeat<R: Repeat>(
    work: &mut R,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<(), R::Error> {
    let mut backoff = Backoff::new(R::PAUSES_MS, clock);
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let wait = match work.once().await {
            Ok(rest) => {
                if failures > 0 {
                    info!(failures, "{}", R::TOLD.works);
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
                if failures == 0 || R::TOLD.every_time {
                    warn!(error, failures, "{}", R::TOLD.fails);
                } else {
                    debug!(error, failures, "{}", R::TOLD.fails);
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

/// What lies between two steps.
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

/// The pauses of tries that fail one after the other. The bound of a pause doubles from try to try; a random part of
/// up to half of it is left out, so that those who failed together do not come back together.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    /// Another one for each row of failures.
    seed: u64,
    pauses: ExponentialBackoff,
}

impl Backoff {
    /// From the shortest to the longest bound, in milliseconds. By a manual clock its pauses are always the same.
    pub fn new((min_ms, max_ms): (u64, u64), clock: &Clock) -> Self {
        // What the builder calls jitter comes on top of a delay, up to as much again.
        let half = |ms: u64| Duration::from_millis(ms) / 2;
        let builder = ExponentialBuilder::new()
            .with_min_delay(half(min_ms))
            .with_max_delay(half(max_ms))
            .without_max_times()
            .with_jitter();
        let seed = clock.seed();
        Self { builder, seed, pauses: builder.with_jitter_seed(seed).build() }
    }

    /// The pause before the next try.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or_default() // it never ends
    }

    /// It works again: the next pause is a first one.
    pub fn reset(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.pauses = self.builder.with_jitter_seed(self.seed).build();
    }
}
