//! The hub of live events: it keeps the latest event of each topic and passes new ones on. It knows no crowd, and no
//! protocol by which events leave.

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

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is about; the latest event of each topic is kept for those who come later.
    pub topic: &'static str,
    /// JSON text. With `stamped` it must be an object.
    pub data: Arc<str>,
    /// Whether the time at which it leaves is put into the data as `now`.
    pub stamped: bool,
}

/// Passes events to everybody who is connected to this process.
pub struct Hub {
    clock: Clock,
    latest: Mutex<BTreeMap<&'static str, Event>>,
    sender: broadcast::Sender<Event>,
    permits: Arc<Semaphore>,
    connections: Gauge,
    stop: CancellationToken,
}

impl Hub {
    /// A hub without events. It serves so many connections at the most; they end when `stop` does.
    pub fn new(clock: Clock, connections_max: usize, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            clock,
            latest: Mutex::default(),
            sender: broadcast::Sender::new(LIVE_BEHIND_MAX),
            permits: Arc::new(Semaphore::new(connections_max)),
            connections: gauge!("buttonparty_live_connections"),
            stop,
        })
    }

    /// Sends an event to everybody, unless it says the same as the latest one of its topic.
    pub fn publish(&self, event: Event) {
        let mut latest = self.latest.lock();
        if latest.get(event.topic) != Some(&event) {
            latest.insert(event.topic, event.clone());
            // Nobody may be connected; then whoever comes gets it as the latest.
            let _ = self.sender.send(event);
        }
    }

    /// Sends an event to everybody in place of the latest one of its topic, which was wrong. Nobody who comes later gets
    /// either.
    pub fn withdraw(&self, event: Event) {
        let mut latest = self.latest.lock();
        latest.remove(event.topic);
        let _ = self.sender.send(event); // as above
    }

    /// Room for one more connection, for as long as it lives; `None` when there is none.
    pub fn connect(&self) -> Option<Connected> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        self.connections.increment(1.0);
        Some(Connected { connections: self.connections.clone(), _permit: permit })
    }

    /// Cancelled when every connection must end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The latest event of each topic, then what happens from now on; a listener that is too slow is brought up to
    /// date with the latest of each topic instead of what it missed.
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
                        // What is still held for it is older than the latest: it begins anew behind that.
                        Err(RecvError::Lagged(_)) => (latest, events) = hub.up_to_date(),
                        Err(RecvError::Closed) => return None,
                    }
                }
            }
        })
    }

    /// The latest event of each topic, and all that come after them.
    fn up_to_date(&self) -> (VecDeque<Event>, broadcast::Receiver<Event>) {
        // Under the lock nothing is published, so nothing is missed or seen twice between the two.
        let latest = self.latest.lock();
        (latest.values().cloned().collect(), self.sender.subscribe())
    }

    /// The data of an event that leaves now.
    pub fn data<'e>(&self, event: &'e Event) -> Cow<'e, str> {
        let stamp = || Some(format!("{{\"now\":{},{}", self.clock.now_ms(), event.data.strip_prefix('{')?));
        let stamped = event.stamped.then(stamp).flatten();
        stamped.map_or(Cow::Borrowed(&event.data), Cow::Owned)
    }
}

/// Counts a connection as long as it lives.
pub struct Connected {
    connections: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.decrement(1.0);
    }
}
