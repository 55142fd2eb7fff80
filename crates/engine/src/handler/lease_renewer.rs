//! Renewing leases.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use queue::{Lease, Queue};
use tracing::debug;

use crate::clock::Clock;

/// Renews all leases of a handler while it works on one of them, or pauses. A failed renewal is retried at the next
/// interval, twice before a lease ends. A lost lease harms nothing, because the position decides who commits.
pub(super) struct LeaseRenewer {
    queue: Queue,
    clock: Clock,
    every_ms: i64,
    /// When the leases began or were last renewed, by [`Clock::elapsed_ms`].
    since_ms: i64,
}

impl LeaseRenewer {
    pub(super) fn new(queue: Queue, clock: Clock, visibility_ms: i64) -> Self {
        Self { queue, clock, every_ms: (visibility_ms / 3).max(1), since_ms: 0 }
    }

    /// Starts the interval: the leases have just begun.
    pub(super) fn begin(&mut self) {
        self.since_ms = self.clock.elapsed_ms();
    }

    /// Renews these leases if that is due; returns the lost ones.
    pub(super) async fn catch_up(&mut self, leases: &[Lease]) -> Vec<Lease> {
        if self.due_in().is_zero() { self.extend(leases).await } else { Vec::new() }
    }

    /// Runs `work` and renews these leases meanwhile; returns also the lost ones. Both futures are always polled,
    /// because a renewal may wait for a lock that the work holds.
    pub(super) async fn run_while_renewing<T>(
        &mut self,
        leases: &[Lease],
        work: impl Future<Output = T>,
    ) -> (T, Vec<Lease>) {
        let mut lost = Vec::new();
        let extending = async {
            loop {
                lost.extend(self.renew(leases).await);
            }
        };
        let done = tokio::select! {
            done = work => done,
            never = extending => never,
        };
        (done, lost)
    }

    /// Waits until the renewal is due, and renews these leases; returns the lost ones.
    pub(super) async fn renew(&mut self, leases: &[Lease]) -> Vec<Lease> {
        tokio::time::sleep(self.due_in()).await;
        self.extend(leases).await
    }

    fn due_in(&self) -> Duration {
        let left_ms = (self.since_ms + self.every_ms - self.clock.elapsed_ms()).clamp(0, self.every_ms);
        Duration::from_millis(left_ms.unsigned_abs())
    }

    async fn extend(&mut self, leases: &[Lease]) -> Vec<Lease> {
        // Taken before the first request, because the first lease is renewed then.
        self.since_ms = self.clock.elapsed_ms();
        let results = join_all(leases.iter().map(|lease| self.queue.extend(lease))).await;
        let failed = leases.iter().zip(results).filter_map(|(lease, result)| Some((lease, result.err()?)));
        failed
            .filter(|(lease, error)| {
                debug!(partition = lease.partition(), %error, "lease not renewed");
                matches!(error, queue::Error::LeaseLost)
            })
            .map(|(lease, _)| lease.clone())
            .collect()
    }
}
