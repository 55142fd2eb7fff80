//! Several partitions at the same time.

use std::sync::Arc;

use game::{Action, Add};
use ledger::Committed;
use store::{Options, Position};

use crate::harness::{Backend, Commit, Fresh, NOW_MS, Prefetched, Writer, prefetch, token, user};

const PARTITIONS: u16 = 4;
const BATCHES: i64 = 20;

/// Every partition claims the same devices in every batch at the same time: there is no deadlock, and the last claim
/// wins.
async fn claim(writer: &Writer, partition: u16) {
    for n in 0..BATCHES {
        let commands: Vec<(i64, Action)> = (0..50)
            .map(|device| {
                // Each partition names them in another order.
                let device = token(&format!("device {}", device * (2 * i64::from(partition) + 1) % 50));
                let username = user(&format!("player of {partition}"));
                let add = Add { username, name: None, platform: None, token: Some(device) };
                (NOW_MS + n, Action::Add(add))
            })
            .collect();
        let Prefetched { from, mut world } = prefetch(writer, partition, &commands).await;
        for (at_ms, action) in &commands {
            world.apply(game::Stamps::of_arrival(*at_ms), action).unwrap();
        }
        let to = Position { sequence: from.sequence + 1, ..from };
        let commit = Commit { partition, from, to, world: &world, journal: &[], outbox: &[] };
        assert_eq!(writer.commit(commit).await.unwrap(), Committed::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_share_devices_without_a_deadlock() {
    let fresh = Fresh::with(Backend::Postgres, Options::default()).await;
    let writer = Arc::new(fresh.game(PARTITIONS).await);
    let claims = (0..PARTITIONS).map(|partition| {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { claim(&writer, partition).await })
    });
    for one in Vec::from_iter(claims) {
        one.await.unwrap();
    }
    let state = fresh.state().await;
    assert_eq!(state.devices.len(), 50);
    for (partition, device) in state.devices.values() {
        let owner = (*partition, device.arrived_at_ms, device.username.as_str());
        assert_eq!(owner, (3, NOW_MS + BATCHES - 1, "player of 3"));
    }
}
