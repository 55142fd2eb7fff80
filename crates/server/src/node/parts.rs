//! What a role is made of: opened from the configuration, and put together into routes.

use std::sync::Arc;

use fetch::FetchState;
use files::Hold;
use ledger::Ledger;
use metrics::{Gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use queue::{Backlog, Queue};
use rand::RngExt;
use ranks::Ranks;
use serve::health::{Check, Checks, Health};
use serve::{App, Routes};
use store::{Reader, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::open::{
    agreed, belongs, check_age, migrated_store, migrates, must_exist, open_queue, open_ranks, open_reader,
    settle, store_at,
};
use super::{NodeError, elapsed, open};
use crate::admin::Admin;
use crate::bounds::{CLOCK_SET_MS_MIN, LEAD_MS_MIN, RESEND_MS_MAX};
use crate::button::Button;
use crate::clock::{Clock, system_rng};
use crate::config::{Config, Role};
use crate::ingest::{Batcher, BatcherOptions, Ingest};
use crate::live::Hub;
use crate::page::Page;
use crate::router;
use crate::scheduler::{Scheduler, SchedulerOptions};

/// Everything that one process has opened. What its role does not need is `None`.
pub struct Parts {
    /// What all of it logs in to; `None` where the process goes on without.
    pub(super) store: Option<Store>,
    pub(super) queue: Option<Queue>,
    pub(super) reader: Option<Reader>,
    pub(super) batcher: Option<Arc<Batcher>>,
    /// The database that the handler writes, and the game that it plays.
    pub(super) handler: Option<(Ledger, Arc<Button>)>,
    pub(super) scheduler: Option<Arc<Scheduler>>,
    pub(super) outbox: Option<store::Outbox>,
    pub(super) hub: Option<Arc<Hub>>,
    pub(super) ranks: Option<Arc<Ranks>>,
    pub(super) poke: Arc<Notify>,
    pub(super) generation: u32,
    pub(super) connections_max: usize,
    /// The roles that no other process may have on the same files.
    holds: Vec<Hold>,
    clock: Clock,
    metrics: Option<PrometheusHandle>,
}

impl Parts {
    /// Opens what the role needs, and checks that inbox and store belong together.
    ///
    /// # Errors
    /// [`NodeError`], with what could not be opened or does not fit.
    pub async fn open(
        config: &Config,
        metrics: Option<PrometheusHandle>,
        clock: Clock,
        stop: &CancellationToken,
    ) -> Result<Self, NodeError> {
        let role = config.role;
        let store = if migrates(config) { migrated_store(config).await? } else { store_at(config)? };
        let reader = open_reader(config, &store).await?;
        let uses_queue =
            [Role::Ingest, Role::Handler, Role::Scheduler].into_iter().any(|part| role.has(part));
        let queue = if uses_queue { Some(open_queue(config, &clock).await?) } else { None };
        let mut parts = Self {
            store: Some(store.clone()),
            queue,
            reader: Some(reader.clone()),
            batcher: None,
            handler: None,
            scheduler: None,
            outbox: None,
            hub: None,
            ranks: open_ranks(config)?.map(Arc::new),
            poke: Arc::new(Notify::new()),
            generation: 0,
            connections_max: serve::connections_max(),
            holds: Vec::new(),
            clock: clock.clone(),
            metrics,
        };
        if let Some(queue) = parts.queue.clone() {
            parts.open_writing_roles(config, &store, &reader, queue).await?;
        } else if role.has(Role::Fetch) {
            agreed(config, &reader).await?;
        }
        if role == Role::Ingest {
            // From here on it depends on the inbox alone.
            reader.close().await;
            (parts.reader, parts.store) = (None, None);
        }
        if role.has(Role::Push) {
            parts.outbox = Some(store.outbox().await?);
        }
        if role.has(Role::Fetch) {
            // Half of them, so that listeners never keep presses out.
            parts.hub = Some(Hub::new(clock, parts.connections_max / 2, stop.clone()));
        }
        Ok(parts)
    }

    async fn open_writing_roles(
        &mut self,
        config: &Config,
        store: &Store,
        reader: &Reader,
        queue: Queue,
    ) -> Result<(), NodeError> {
        let (role, clock, partitions) = (config.role, self.clock.clone(), config.partitions);
        if role.has(Role::Handler) {
            let ledger = store.ledger().await?;
            self.generation = settle(config, &ledger, &queue, &clock).await?;
            let (ranks, poke) = (self.ranks.clone(), Arc::clone(&self.poke));
            self.handler = Some((ledger, Arc::new(Button::new(clock.clone(), ranks, poke))));
        } else if migrates(config) {
            let ledger = store.ledger().await?;
            self.generation = settle(config, &ledger, &queue, &clock).await?;
            ledger.close().await;
        } else {
            self.generation = belongs(config, reader, &queue).await?;
        }
        check_age(reader, &queue).await?;
        if role.has(Role::Ingest) {
            let options = BatcherOptions {
                partitions,
                envelope_bytes_max: config.envelope_bytes_max,
                // New for each start: ids of envelopes are never used again.
                node: format!("{:016x}", system_rng().random::<u64>()),
                resend_ms_max: RESEND_MS_MAX,
            };
            self.batcher = Some(Arc::new(Batcher::new(queue.clone(), clock.clone(), options)));
        }
        let opens_rounds = role.has(Role::Ingest) && config.operator_token.is_some();
        if role.has(Role::Scheduler) || opens_rounds {
            let options = SchedulerOptions {
                cadence: config.cadence,
                lead_ms: config.round_lead_ms,
                lead_ms_min: if config.queue.is_embedded() { LEAD_MS_MIN } else { config.round_lead_ms },
                first_round_ms: config.first_round_ms,
                partitions,
            };
            let schedule = store.schedule().await?;
            self.scheduler = Some(Scheduler::new(schedule, queue, clock, system_rng(), options));
        }
        Ok(())
    }

    /// Makes this the only process that applies commands or opens rounds on these files. Two would apply everything
    /// once all the same, but each has its own board in memory, and its ranks lack what the other one applied.
    ///
    /// # Errors
    /// [`NodeError::Held`] while another process has the role.
    pub(super) fn hold_roles(&mut self, config: &Config) -> Result<(), NodeError> {
        let Some(path) = open::shared_file(config) else { return Ok(()) };
        let file = || path.display().to_string();
        for (part, role) in [(Role::Handler, "handler"), (Role::Scheduler, "scheduler")] {
            if config.role.has(part) {
                let held = Hold::take(path, role)
                    .map_err(|source| NodeError::Lock { role, file: file(), source })?
                    .ok_or_else(|| NodeError::Held { role, file: file() })?;
                self.holds.push(held);
            }
        }
        Ok(())
    }

    /// Lets the routes of the role be served, with everything that all routes share.
    pub(super) fn serve(&self, config: &Config, app: &App) {
        app.begin(self.routes(config));
    }

    /// What `/readyz` asks.
    fn checks(&self, config: &Config) -> Checks {
        let mut checks = Checks::new();
        if let Some(queue) = self.queue.clone() {
            let ask = move || {
                let queue = queue.clone();
                async move { queue.check().await }
            };
            checks.push(("inbox", Check::needed(ask)));
        }
        if let Some(reader) = self.reader.clone() {
            let ask = move || {
                let reader = reader.clone();
                async move { reader.check().await }
            };
            checks.push(("store", Check::needed(ask)));
        }
        if let Some(scheduler) = self.scheduler.clone().filter(|_| config.role.has(Role::Scheduler)) {
            // Another process would wait for the same: it makes none unready.
            checks.push(("schedule", Check::shown(move || scheduler.waiting())));
        }
        checks
    }

    /// The routes of the role.
    fn routes(&self, config: &Config) -> Routes {
        let metrics = self.metrics.clone();
        let render = move || metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
        let health = Health::new(self.checks(config), Box::new(render), elapsed);
        let mut routes = router::health().with_state(Arc::new(health));
        if let Some(batcher) = &self.batcher {
            let ingest = Ingest::new(Arc::clone(batcher), self.clock.clone(), config.auth, config.partitions);
            routes = routes.merge(router::ingest().with_state(Arc::new(ingest)));
        }
        if let (Some(hub), Some(reader)) = (&self.hub, &self.reader) {
            let state = FetchState {
                reader: reader.clone(),
                ranks: self.ranks.clone(),
                partitions: config.partitions,
                auth: config.auth,
                now_ms: self.clock.as_fn(),
            };
            routes = routes.merge(router::fetch().with_state(state));
            routes = routes.merge(router::live().with_state(Arc::clone(hub)));
            let token = config.operator_token.as_deref().filter(|_| config.role == Role::Dev);
            routes = routes.merge(router::page().with_state(Arc::new(Page::new(token))));
        }
        if let (Some(scheduler), Some(token)) = (&self.scheduler, &config.operator_token) {
            let admin = Admin {
                scheduler: Arc::clone(scheduler),
                token: token.clone(),
                lead_ms: config.round_lead_ms,
            };
            routes = routes.merge(router::admin().with_state(Arc::new(admin)));
        }
        routes
    }

    /// Opens what it takes to announce a round, and nothing that serves.
    ///
    /// # Errors
    /// As for [`Parts::open`].
    pub async fn open_for_rounds(config: &Config, clock: Clock) -> Result<Self, NodeError> {
        must_exist(config)?;
        let mut config = config.clone();
        config.role = Role::Scheduler;
        Self::open(&config, None, clock, &CancellationToken::new()).await
    }

    /// The scheduler, for commands that open a round.
    pub fn scheduler(&self) -> Option<&Arc<Scheduler>> {
        self.scheduler.as_ref()
    }

    pub(super) fn gauges(&self, config: &Config, clock: Clock) -> Gauges {
        // Phones reach ingest, and a queue counts announcements too: whoever sees it grow knows of a round before it opens.
        let shows_depth = config.queue.is_embedded() || config.role != Role::Ingest;
        let depth = shows_depth.then(|| Depth {
            messages: gauge!("buttonparty_inbox_messages"),
            in_flight: gauge!("buttonparty_inbox_in_flight_messages"),
            dead: gauge!("buttonparty_dead_letters"),
            age_seconds: gauge!("buttonparty_inbox_oldest_age_seconds"),
        });
        let set_ms = clock.now_ms() - clock.elapsed_ms();
        Gauges { queue: self.queue.clone(), clock, set_ms, metrics: self.metrics.clone(), depth }
    }

    /// Closes the files: readers first, so that whoever is last can empty the log into the file.
    pub async fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.close().await;
        }
        if let Some(reader) = &self.reader {
            reader.close().await;
        }
        if let Some(outbox) = &self.outbox {
            outbox.close().await;
        }
        if let Some(scheduler) = &self.scheduler {
            scheduler.close().await;
        }
        if let Some((ledger, _)) = &self.handler {
            ledger.close().await;
        }
    }
}

/// What is looked at now and then.
pub(super) struct Gauges {
    queue: Option<Queue>,
    clock: Clock,
    /// What the clock said when no time had passed yet: it changes when the clock is set.
    set_ms: i64,
    metrics: Option<PrometheusHandle>,
    /// `None`: it is not to be shown.
    depth: Option<Depth>,
}

/// How much waits in the inbox.
struct Depth {
    messages: Gauge,
    in_flight: Gauge,
    dead: Gauge,
    age_seconds: Gauge,
}

impl Gauges {
    /// # Errors
    /// [`queue::Error::Replaced`]: what is taken from now on would belong to nobody.
    pub(super) async fn update(&mut self) -> Result<(), NodeError> {
        let set_ms = self.clock.now_ms() - self.clock.elapsed_ms();
        let by_ms = set_ms - std::mem::replace(&mut self.set_ms, set_ms);
        if by_ms.abs() >= CLOCK_SET_MS_MIN {
            warn!(by_ms, "the system's clock was set, or stood still");
        }
        if let Some(metrics) = &self.metrics {
            metrics.run_upkeep();
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        let looked = match &self.depth {
            Some(depth) => queue.backlog().await.map(|backlog| depth.set(&backlog, self.clock.now_ms())),
            None => queue.check().await,
        };
        match looked {
            Err(replaced @ queue::Error::Replaced { .. }) => return Err(replaced.into()),
            Err(error) => debug!(%error, "cannot look at the inbox"),
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
