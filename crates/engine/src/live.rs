//! The hub of live events: keeps the latest event of each topic and sends new ones to all subscribers. It knows no
//! crowd and no transport.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::{Stream, stream};
use metrics::{Gauge, gauge};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::bounds::LIVE_BEHIND_MAX;
use crate::clock::Clock;
use crate::metrics::LIVE_CONNECTIONS;

/// A live event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The latest event of each topic is kept for later subscribers.
    pub topic: &'static str,
    /// JSON; an object if `stamped`.
    pub data: Arc<str>,
    /// Whether the time of sending is added to the data as `now`.
    pub stamped: bool,
}

/// Sends events to all connections of this process.
pub struct Hub {
    clock: Clock,
    latest: Mutex<BTreeMap<&'static str, Event>>,
    sender: broadcast::Sender<Event>,
    permits: Arc<Semaphore>,
    connections: Gauge,
    stop: CancellationToken,
}

impl Hub {
    /// A hub for at most this many connections, which end with `stop`.
    pub fn new(clock: Clock, connections_max: usize, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            clock,
            latest: Mutex::default(),
            sender: broadcast::Sender::new(LIVE_BEHIND_MAX),
            permits: Arc::new(Semaphore::new(connections_max)),
            connections: gauge!(LIVE_CONNECTIONS),
            stop,
        })
    }

    /// Sends an event to all subscribers, unless it equals the latest of its topic.
    pub fn publish(&self, event: Event) {
        let mut latest = self.latest.lock();
        if latest.get(event.topic) != Some(&event) {
            latest.insert(event.topic, event.clone());
            // Fails if nobody is connected; later subscribers get the latest.
            let _ = self.sender.send(event);
        }
    }

    /// Sends an event to all subscribers that corrects the latest one of its topic. Later subscribers get neither.
    pub fn withdraw(&self, event: Event) {
        let mut latest = self.latest.lock();
        latest.remove(event.topic);
        let _ = self.sender.send(event); // as above
    }

    /// A place for one connection, until it is dropped; `None` if there is none.
    pub fn connect(&self) -> Option<Connected> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        self.connections.increment(1.0);
        Some(Connected { connections: self.connections.clone(), _permit: permit })
    }

    /// Cancelled when all connections must end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The latest event of each topic, and then all new ones. A subscriber that lags too far behind gets the latest
    /// of each topic instead of what it missed.
    pub fn subscribe(self: &Arc<Self>) -> impl Stream<Item = Event> + use<> {
        let hub = Arc::clone(self);
        stream::unfold(self.up_to_date(), move |(mut latest, mut events)| {
            let hub = Arc::clone(&hub);
            async move {
                loop {
                    if let Some(event) = latest.pop_front() {
                        return Some((event, (latest, events)));
                    }
                    match events.recv().await {
                        Ok(event) => return Some((event, (latest, events))),
                        // The events still buffered for it are older than the latest.
                        Err(RecvError::Lagged(_)) => (latest, events) = hub.up_to_date(),
                        Err(RecvError::Closed) => return None,
                    }
                }
            }
        })
    }

    /// The latest event of each topic, and a receiver of all later ones.
    fn up_to_date(&self) -> (VecDeque<Event>, broadcast::Receiver<Event>) {
        // Nothing is published under the lock, so nothing is missed or seen twice.
        let latest = self.latest.lock();
        (latest.values().cloned().collect(), self.sender.subscribe())
    }

    /// The data of an event that is sent now.
    pub fn data<'e>(&self, event: &'e Event) -> Cow<'e, str> {
        let stamp = || Some(format!("{{\"now\":{},{}", self.clock.now_ms(), event.data.strip_prefix('{')?));
        let stamped = event.stamped.then(stamp).flatten();
        stamped.map_or(Cow::Borrowed(&event.data), Cow::Owned)
    }
}

/// Counts a connection while it exists.
pub struct Connected {
    connections: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.decrement(1.0);
    }
}
