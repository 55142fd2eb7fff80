//! The one module that reads the clock and asks the system for randomness. Everything else takes time and random
//! generators as values, so that a test can control them.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use tokio::sync::Notify;

/// The time in Unix milliseconds, and a monotonic time for durations. The former may be set by an operator or by NTP,
/// in either direction and by any amount; the latter never.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    System,
    /// Moved by a test.
    Manual(Arc<Hands>),
}

/// State of a manual clock.
#[derive(Debug, Default)]
pub struct Hands {
    now_ms: AtomicI64,
    elapsed_ms: AtomicI64,
    advanced: Notify,
}

impl Clock {
    /// A manual clock that starts at this time.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(Hands { now_ms: AtomicI64::new(now_ms), ..Hands::default() }))
    }

    /// Advances a manual clock; does nothing to the system's.
    pub fn advance(&self, ms: i64) {
        if let Self::Manual(hands) = self {
            hands.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
            hands.now_ms.fetch_add(ms, Ordering::SeqCst);
            hands.advanced.notify_waiters();
        }
    }

    /// Sets a manual clock, as an operator or NTP sets the system's: no time passes.
    pub fn set_by(&self, ms: i64) {
        if let Self::Manual(hands) = self {
            hands.now_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// The time in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the module that reads the clock")]
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Manual(hands) => hands.now_ms.load(Ordering::SeqCst),
        }
    }

    /// Monotonic time since some moment in this process, in milliseconds: for pauses and timeouts.
    pub fn elapsed_ms(&self) -> i64 {
        static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
        match self {
            Self::System => i64::try_from(BEGIN.0.elapsed().as_millis()).unwrap_or(i64::MAX),
            Self::Manual(hands) => hands.elapsed_ms.load(Ordering::SeqCst),
        }
    }

    /// The clock as a function, for crates that do not depend on this one.
    pub fn as_fn(&self) -> Arc<dyn Fn() -> i64 + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now_ms())
    }

    /// Sleeps until this time, but no longer than `at_most`: the clock may be set meanwhile, so the caller must look
    /// at it again. Returns at once if the time has passed.
    pub async fn sleep_until(&self, at_ms: i64, at_most: Duration) {
        let wait_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait_ms).min(at_most)).await;
    }

    /// Sleeps for this long; on a manual clock, until it has been advanced by as much.
    pub async fn pause(&self, pause: Duration) {
        let Self::Manual(hands) = self else { return tokio::time::sleep(pause).await };
        let pause_ms = i64::try_from(pause.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX);
        let over_ms = self.elapsed_ms().saturating_add(pause_ms);
        loop {
            let mut advanced = pin!(hands.advanced.notified());
            advanced.as_mut().enable(); // before it is looked at
            if self.elapsed_ms() >= over_ms {
                return;
            }
            advanced.await;
        }
    }

    /// Seed of a random generator that need not be secret; constant on a manual clock.
    pub(crate) fn seed(&self) -> u64 {
        match self {
            Self::System => system_rng().random(),
            Self::Manual(_) => 0,
        }
    }
}

/// Measures a duration, for metrics only and never for a rule.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the module that reads the clock")]
        Self(Instant::now())
    }

    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A random generator seeded by the system.
pub fn system_rng() -> StdRng {
    #[expect(clippy::disallowed_methods, reason = "this is the module that asks the system for randomness")]
    let rng = StdRng::from_rng(&mut rand::rng());
    rng
}
