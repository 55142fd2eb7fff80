//! Delivers projections to Redis, and listens for those of other processes.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use deadpool_redis::redis::{Cmd, RedisResult, cmd, pipe};
use futures_util::StreamExt as _;
use game::Standing;
use store::Position;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::text::{self, OF, ORDER, STATE};
use super::{Error, Redis};
use crate::bounds::{
    COMMITS_AT_ONCE_MAX, DRAIN_TIMEOUT, PAUSE_MAX, PAUSE_MIN, SILENCE_MAX, STANDINGS_AT_ONCE_MAX,
    SUBSCRIBE_MS_MAX, WAITING_COMMITS_MAX, WAITING_STANDINGS_MAX,
};

/// The changes of one commit.
struct Projection {
    partition: u16,
    from: Position,
    to: Position,
    changed: Vec<Standing>,
    _room: OwnedSemaphorePermit,
}

/// Projections that wait for Redis.
pub(super) struct Queue {
    sender: mpsc::Sender<Projection>,
    /// One permit for each standing.
    room: Arc<Semaphore>,
    out: Mutex<Out>,
}

struct Out {
    receiver: mpsc::Receiver<Projection>,
    /// By partition: whether this process has sent a projection.
    begun: Vec<bool>,
}

impl Queue {
    pub(super) fn new(partitions: u16) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_COMMITS_MAX);
        let room = Arc::new(Semaphore::new(WAITING_STANDINGS_MAX as usize));
        Self { sender, room, out: Mutex::new(Out { receiver, begun: vec![false; usize::from(partitions)] }) }
    }
}

/// Fills a batch with waiting projections; `false` if it stays empty.
fn gather(receiver: &mut mpsc::Receiver<Projection>, batch: &mut Vec<Projection>) -> bool {
    let mut standings: usize = batch.iter().map(|projection| projection.changed.len()).sum();
    while batch.len() < COMMITS_AT_ONCE_MAX && standings < STANDINGS_AT_ONCE_MAX {
        let Ok(projection) = receiver.try_recv() else { break };
        standings += projection.changed.len();
        batch.push(projection);
    }
    !batch.is_empty()
}

impl Redis {
    pub(crate) fn project(&self, partition: u16, from: Position, to: Position, changed: Vec<Standing>) {
        // A commit larger than the bound takes all permits.
        let standings = u32::try_from(changed.len()).unwrap_or(u32::MAX).clamp(1, WAITING_STANDINGS_MAX);
        let queued = Arc::clone(&self.queue.room).try_acquire_many_owned(standings).is_ok_and(|room| {
            self.queue.sender.try_send(Projection { partition, from, to, changed, _room: room }).is_ok()
        });
        if !queued {
            debug!(partition, "projection dropped: the queue to Redis is full");
        }
    }

    pub(crate) async fn run(&self, stop: &CancellationToken) {
        tokio::join!(self.deliver(stop), self.listen(stop));
    }

    async fn deliver(&self, stop: &CancellationToken) {
        let Out { receiver, begun } = &mut *self.queue.out.lock().await;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(projection) = receiver.recv() => batch.push(projection),
                () = stop.cancelled() => break,
            }
            gather(receiver, &mut batch);
            if !self.retry(&batch, begun, stop).await {
                break;
            }
            batch.clear();
        }
        // One try for the batch that failed and for what has arrived since.
        let rest = async {
            while gather(receiver, &mut batch) {
                self.send(&batch, begun).await?;
                batch.clear();
            }
            Ok::<_, Error>(())
        };
        if let Ok(Err(_)) | Err(_) = timeout(DRAIN_TIMEOUT, rest).await {
            debug!("projections lost at stop; ranks will be rebuilt");
        }
    }

    /// Sends until it succeeds; `false` if stopped before.
    async fn retry(&self, batch: &[Projection], begun: &mut [bool], stop: &CancellationToken) -> bool {
        let (mut pauses, mut failing) = (pauses(), false);
        loop {
            let cut_off = async {
                stop.cancelled().await;
                sleep(DRAIN_TIMEOUT).await;
            };
            let sent = tokio::select! {
                sent = self.send(batch, begun) => sent,
                () = cut_off => return false,
            };
            match sent {
                Ok(()) if !failing => return true,
                Ok(()) => {
                    info!("Redis accepts projections of ranks again");
                    return true;
                }
                Err(error) if !failing => {
                    warn!(error = error.chain(), "Redis does not accept projections of ranks, retrying");
                }
                Err(error) => {
                    debug!(error = error.chain(), "Redis still does not accept projections of ranks")
                }
            }
            failing = true;
            let pause = pauses.next().unwrap_or(PAUSE_MAX); // it never ends
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return false;
            }
        }
    }

    async fn send(&self, batch: &[Projection], begun: &mut [bool]) -> Result<(), Error> {
        let mut calls = pipe();
        for projection in batch {
            let Some(begun) = begun.get_mut(usize::from(projection.partition)) else { continue };
            // True for the first try only: a retry may repeat what Redis has applied already.
            let first = !mem::replace(begun, true);
            calls.add_command(self.projecting(projection, first)).ignore();
        }
        // Not in the script: not every server publishes from scripts, and a hint need not be atomic with the change.
        calls.cmd("PUBLISH").arg(&self.channel).arg(batch.len()).ignore();
        self.link.pipeline(&self.link.scripts.project, &calls).await
    }

    fn projecting(&self, projection: &Projection, first: bool) -> Cmd {
        let Projection { partition, from, to, changed, .. } = projection;
        let mut call = cmd("EVALSHA");
        call.arg(self.link.scripts.project.get_hash()).arg(4);
        call.arg(&[STATE, ORDER, OF]).arg(text::rebuild_key(*partition));
        call.arg(self.game.read().as_deref().unwrap_or_default()).arg(partition);
        call.arg(text::position_text(*from)).arg(text::position_text(*to)).arg(u8::from(first));
        // The script requires each player at most once.
        let latest: HashMap<&str, &Standing> =
            changed.iter().map(|standing| (standing.username.as_str(), standing)).collect();
        call.arg(text::members(latest.into_values()));
        call
    }

    async fn listen(&self, stop: &CancellationToken) {
        let mut pauses = pauses();
        while let Some(listened) = stop.run_until_cancelled(self.listen_once()).await {
            match listened {
                Ok(()) => pauses = self::pauses(),
                Err(error) => debug!(error = error.chain(), "subscription to projections failed, retrying"),
            }
            let pause = pauses.next().unwrap_or(PAUSE_MAX); // it never ends
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
    }

    /// Subscribes, and notifies after each projection, until the subscription ends or is silent for too long.
    async fn listen_once(&self) -> Result<(), Error> {
        let subscribing = async {
            let mut subscription = self.link.client.get_async_pubsub().await?;
            subscription.subscribe(&self.channel).await?;
            RedisResult::Ok(subscription)
        };
        let subscribed = timeout(Duration::from_millis(SUBSCRIBE_MS_MAX), subscribing).await;
        let mut subscription = subscribed.map_err(|_| Error::Timeout { ms: SUBSCRIBE_MS_MAX })??;
        self.poke.notify_one(); // for projections missed before
        let mut messages = subscription.on_message();
        while let Ok(Some(_)) = timeout(SILENCE_MAX, messages.next()).await {
            self.poke.notify_one();
        }
        Ok(())
    }
}

/// Exponential backoff with jitter: each pause is up to twice as long as the one before, and up to half of it is
/// random.
fn pauses() -> ExponentialBackoff {
    // The builder adds the jitter on top of the delay, up to the delay itself.
    let builder = ExponentialBuilder::new().with_min_delay(PAUSE_MIN / 2).with_max_delay(PAUSE_MAX / 2);
    builder.without_max_times().with_jitter().build()
}
