//! Loops that retry failed steps, on a manual clock.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::bounds::BACKOFF;
use engine::clock::Clock;
use engine::run::{Backoff, LoopLog, Repeat, Rest, repeat};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::support::{NOW_MS, in_time};

/// Fails temporarily at these steps, and fatally at this one.
#[derive(Clone, Default)]
struct Flaky {
    fails: Vec<usize>,
    fatal: Option<usize>,
    steps: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("step {0} fails")]
struct Failed(usize);

impl Repeat for Flaky {
    type Error = Failed;

    const LOG: LoopLog = LoopLog::once("it fails", "it works again");

    async fn once(&mut self) -> Result<Rest, Failed> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if self.fails.contains(&step) || self.fatal == Some(step) {
            return Err(Failed(step));
        }
        tokio::task::yield_now().await;
        Ok(if step.is_multiple_of(2) { Rest::Not } else { Rest::For(Duration::from_millis(1)) })
    }

    fn is_fatal(&self, error: &Failed) -> bool {
        self.fatal == Some(error.0)
    }
}

impl Flaky {
    fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// Waits until this many steps have begun.
    async fn begins(&self, steps: usize) {
        while self.steps() < steps {
            tokio::task::yield_now().await;
        }
    }
}

fn ms(pause: Duration) -> i64 {
    i64::try_from(pause.as_micros().div_ceil(1_000)).unwrap()
}

#[test]
fn pauses_double_up_to_a_bound_and_no_two_loops_pause_alike() {
    let (min, max) = BACKOFF;
    let pauses = |backoff: &mut Backoff| [(); 12].map(|()| backoff.next_pause());
    let mut backoffs = [(); 3].map(|()| Backoff::new(BACKOFF, &Clock::System));
    let mut all: Vec<_> = backoffs.iter_mut().map(pauses).collect();
    for backoff in &mut backoffs {
        backoff.reset();
    }
    all.extend(backoffs.iter_mut().map(pauses));
    for pauses in &all {
        for (times, pause) in (0..).zip(pauses) {
            let bound = (min * 2_u32.pow(times)).min(max);
            assert!((bound / 2..=bound).contains(pause), "{times}: {pause:?} of {bound:?}");
        }
    }
    let mut firsts: Vec<_> = all.iter().map(|pauses| pauses[0]).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), all.len());
}

#[tokio::test]
async fn what_fails_is_tried_again_when_its_pause_is_over() {
    let clock = Clock::manual(NOW_MS);
    let mut expected = Backoff::new(BACKOFF, &clock);
    let flaky = Flaky { fails: (0..6).collect(), ..Flaky::default() };
    let stop = CancellationToken::new();
    let (mut work, by, until) = (flaky.clone(), clock.clone(), stop.clone());
    let running = tokio::spawn(async move { repeat(&mut work, &by, &until).await });
    for failed in 1..=6 {
        in_time(flaky.begins(failed)).await;
        clock.set_by(100_000); // this does not move the monotonic clock
        clock.advance(ms(expected.next_pause()) - 1);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(flaky.steps(), failed, "the pause is not over");
        clock.advance(1);
    }
    in_time(flaky.begins(9)).await;
    stop.cancel();
    in_time(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_ends_a_pause_and_what_is_fatal_ends_the_loop() {
    let (clock, stop) = (Clock::manual(NOW_MS), CancellationToken::new());
    let flaky = Flaky { fails: vec![0], ..Flaky::default() };
    let stopping = async {
        flaky.begins(1).await;
        stop.cancel();
    };
    let mut work = flaky.clone();
    let (ended, ()) = in_time(async { tokio::join!(repeat(&mut work, &clock, &stop), stopping) }).await;
    ended.unwrap();
    assert_eq!(flaky.steps(), 1);

    let mut work = Flaky { fatal: Some(3), ..Flaky::default() };
    let ended = in_time(repeat(&mut work, &clock, &CancellationToken::new())).await;
    assert!(matches!(ended, Err(Failed(3))), "{ended:?}");
}

/// A log that is captured.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_once_that_it_fails_and_once_that_it_works_again() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone());
    // With a single subscriber, `tracing` disables a log line for good once a thread without the subscriber passes it.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _default = tracing::subscriber::set_default(subscriber.finish());
    // On the system's clock, because the first pauses are short.
    let mut work = Flaky { fails: vec![1, 2, 3, 6], fatal: Some(9), ..Flaky::default() };
    let ended = in_time(repeat(&mut work, &Clock::System, &CancellationToken::new())).await;
    assert!(ended.is_err());
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let expected = [
        r#"WARN it fails error="step 1 fails" failures=0"#,
        "INFO it works again failures=3",
        r#"WARN it fails error="step 6 fails" failures=0"#,
        "INFO it works again failures=1",
    ];
    assert_eq!(lines, expected);
}
