//! Gauges that are updated periodically: the depth of the inbox. Also notices when the system's clock is set.

use std::time::Duration;

use engine::clock::Clock;
use engine::metrics::{DEAD_LETTERS, INBOX_IN_FLIGHT, INBOX_MESSAGES, INBOX_OLDEST_AGE};
use metrics::{Gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Backlog, Queue};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::NodeError;
use crate::bounds::{CLOCK_SET_MS_MIN, GAUGES_MS};
use crate::config::{Config, Role};

/// The gauges, and what they are computed from.
pub(super) struct Gauges {
    queue: Option<Queue>,
    clock: Clock,
    /// Wall-clock time minus elapsed time, in milliseconds: it changes only when the clock is set.
    set_ms: i64,
    metrics: Option<PrometheusHandle>,
    /// `None`: this process must not show it.
    depth: Option<Depth>,
}

/// The depth of the inbox.
struct Depth {
    messages: Gauge,
    in_flight: Gauge,
    dead: Gauge,
    age_seconds: Gauge,
}

impl Gauges {
    /// `queue` is the process's inbox, if it has one.
    pub(super) fn new(
        config: &Config,
        queue: Option<Queue>,
        clock: Clock,
        metrics: Option<PrometheusHandle>,
    ) -> Self {
        // The depth counts announcements, and phones can reach ingest's metrics: a phone that sees the depth grow would
        // know of a round before it opens.
        let shows_depth = config.inbox.address.is_embedded() || config.role != Role::Ingest;
        let depth = shows_depth.then(|| Depth {
            messages: gauge!(INBOX_MESSAGES),
            in_flight: gauge!(INBOX_IN_FLIGHT),
            dead: gauge!(DEAD_LETTERS),
            age_seconds: gauge!(INBOX_OLDEST_AGE),
        });
        let set_ms = clock.now_ms() - clock.elapsed_ms();
        Self { queue, clock, set_ms, metrics, depth }
    }

    /// Updates the gauges until `stop`.
    ///
    /// # Errors
    /// [`queue::Error::Replaced`]: another inbox took this one's place, and its messages belong to no store.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), NodeError> {
        let pause = || tokio::time::sleep(Duration::from_millis(GAUGES_MS));
        while stop.run_until_cancelled(pause()).await.is_some() {
            self.update().await?;
        }
        Ok(())
    }

    async fn update(&mut self) -> Result<(), NodeError> {
        let set_ms = self.clock.now_ms() - self.clock.elapsed_ms();
        let by_ms = set_ms - std::mem::replace(&mut self.set_ms, set_ms);
        if by_ms.abs() >= CLOCK_SET_MS_MIN {
            warn!(by_ms, "system clock was set, or the process was suspended");
        }
        if let Some(metrics) = &self.metrics {
            metrics.run_upkeep();
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        let checked = match &self.depth {
            Some(depth) => queue.backlog().await.map(|backlog| depth.set(&backlog, self.clock.now_ms())),
            None => queue.check().await,
        };
        match checked {
            Err(replaced @ queue::Error::Replaced { .. }) => return Err(replaced.into()),
            Err(error) => debug!(%error, "cannot read the depth of the inbox"),
            Ok(()) => {}
        }
        Ok(())
    }
}

impl Depth {
    fn set(&self, backlog: &Backlog, now_ms: i64) {
        let age_ms = backlog.oldest_sent_at_ms.map_or(0, |sent_at_ms| now_ms - sent_at_ms);
        self.messages.set(backlog.messages as f64);
        self.in_flight.set(backlog.in_flight as f64);
        self.dead.set(backlog.dead as f64);
        self.age_seconds.set(age_ms.max(0) as f64 / 1000.0);
    }
}
