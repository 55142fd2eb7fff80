//! The one place that reads the clock and asks the system for randomness. Everything else takes time and random
//! generators as values, so that a test or a simulation can step it.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use tokio::sync::Notify;

/// What time it is, in Unix milliseconds, and how long something takes. The time may be set, by an operator or by NTP,
/// in either direction and by any amount; how long something takes is measured by a clock that nobody sets.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// One that a test moves by hand.
    Manual(Arc<Hands>),
}

/// The hands of a clock that a test moves.
#[derive(Debug, Default)]
pub struct Hands {
    now_ms: AtomicI64,
    elapsed_ms: AtomicI64,
    advanced: Notify,
}

impl Clock {
    /// A clock that stands at this time until it is moved.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(Hands { now_ms: AtomicI64::new(now_ms), ..Hands::default() }))
    }

    /// Lets time pass on a manual clock; the system's goes by itself.
    pub fn advance(&self, ms: i64) {
        if let Self::Manual(hands) = self {
            hands.elapsed_ms.fetch_add(ms, Ordering::SeqCst);
            hands.now_ms.fetch_add(ms, Ordering::SeqCst);
            hands.advanced.notify_waiters();
        }
    }

    /// Sets a manual clock by so much, as an operator or NTP sets the system's: no time passes.
    pub fn set_by(&self, ms: i64) {
        if let Self::Manual(hands) = self {
            hands.now_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Now, in Unix milliseconds.
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

    /// How much time has passed since some moment in this process, in milliseconds. For pauses and bounds of time: it
    /// never goes back and never jumps.
    pub fn elapsed_ms(&self) -> i64 {
        static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
        match self {
            Self::System => i64::try_from(BEGIN.0.elapsed().as_millis()).unwrap_or(i64::MAX),
            Self::Manual(hands) => hands.elapsed_ms.load(Ordering::SeqCst),
        }
    }

    /// The same clock as a function, for crates that know nothing of this one.
    pub fn as_fn(&self) -> Arc<dyn Fn() -> i64 + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now_ms())
    }

    /// Waits until this time, or for so long if that is less: the clock may be set meanwhile, so the caller looks again
    /// at what time it is. An earlier time returns at once.
    pub async fn sleep_until(&self, at_ms: i64, at_most: Duration) {
        let wait_ms = u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait_ms).min(at_most)).await;
    }

    /// Pauses for so long; by a manual clock, until it was advanced so far.
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

    /// Where a random generator begins, for what need not be secret; by a manual clock always the same.
    pub(crate) fn seed(&self) -> u64 {
        match self {
            Self::System => system_rng().random(),
            Self::Manual(_) => 0,
        }
    }
}

/// Measures how long something takes; for metrics only, never for a rule.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the module that reads the clock")]
        Self(Instant::now())
    }

    /// Seconds since the start.
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
