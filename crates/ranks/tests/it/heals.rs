//! Redis loses data, has another game's data, or has data that never existed: ranks become exact again, and no wrong
//! rank is returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ranks::{RebuildError, Source};
use servers::redis;
use store::Identity;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;

/// A game of one partition with this many players in the ranks.
async fn known(world: World, players: u64) -> World {
    let all = (0..players).map(|number| standing(&format!("p{number}"), number % 7, NOW_MS)).collect();
    world.commit_standings(0, all);
    world.rebuild(0).await;
    world
}

#[tokio::test]
async fn flushed_ranks_are_silent_and_then_rebuilt() {
    let world = known(World::new(Kind::Redis, 1), 50).await;
    world.says_all(0).await;
    flush(&world.url).await;
    world.says_nothing(0).await;
    world.project_now(0, world.commit(0, &[("p7", 100)])).await;
    world.says_nothing(0).await;
    world.rebuild(0).await;
    world.says_all(0).await;
}

#[tokio::test]
async fn a_restarted_redis_is_filled_again() {
    let server = redis::Server::start();
    let world = known(World::at(server.url(), 1), 50).await;
    world.project_now(0, world.commit(0, &[("p7", 100)])).await;
    server.restart();
    world.says_nothing(0).await;
    world.project_now(0, world.commit(0, &[("p8", 100)])).await; // its scripts are no longer loaded
    world.rebuild(0).await;
    world.project_now(0, world.commit(0, &[("p9", 100)])).await;
    world.says_all(0).await;
}

#[tokio::test]
async fn a_key_that_was_evicted_is_noticed() {
    for key in ["state", "order", "of"] {
        let world = known(World::new(Kind::Redis, 1), 50).await;
        ask::<()>(&world.url, cmd("DEL").arg(format!("{{buttonparty}}:{key}"))).await;
        world.says_nothing(0).await;
        world.project_now(0, world.commit(0, &[("p7", 100)])).await;
        world.says_nothing(0).await;
        world.rebuild(0).await;
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn a_player_that_vanished_from_one_of_the_keys_is_noticed() {
    let world = known(World::new(Kind::Redis, 1), 50).await;
    ask::<()>(&world.url, cmd("HDEL").arg("{buttonparty}:of").arg("p3")).await;
    world.says_nothing(0).await;
    world.rebuild(0).await;
    world.says_all(0).await;
}

#[tokio::test]
async fn players_that_a_restored_store_never_had_go() {
    let mut world = known(World::new(Kind::Redis, 1), 50).await;
    let backup = world.copy();
    world.project_now(0, world.commit(0, &[("ghost", 1_000)])).await;
    world.project_now(0, world.commit(0, &[("p7", 1_000)])).await;
    world.says_all(0).await;
    world.restore(backup.clone());
    world.processes = vec![world.process()];
    world.says_nothing(0).await;
    world.rebuild(0).await;
    world.says_all(0).await;

    // The same if the handler is faster than the rebuild and reaches the position of the ranks.
    world.project_now(0, world.commit(0, &[("ghost", 1_000)])).await;
    world.project_now(0, world.commit(0, &[("p7", 1_000)])).await;
    world.restore(backup);
    world.processes = vec![world.process()];
    for score in 0..3 {
        world.project_now(0, world.commit(0, &[("p8", score)])).await;
    }
    world.rebuild(0).await;
    world.says_all(0).await;
}

#[tokio::test]
async fn they_go_also_where_the_ranks_were_stale_when_the_store_was_restored() {
    let mut world = known(World::new(Kind::Redis, 1), 50).await;
    let backup = world.copy();
    world.project_now(0, world.commit(0, &[("ghost", 1_000)])).await;
    let _lost = world.commit(0, &[("p7", 1_000)]);
    world.project_now(0, world.commit(0, &[("p8", 1_000)])).await;
    world.says_nothing(0).await;
    world.restore(backup);
    world.processes = vec![world.process()];
    world.rebuild(0).await;
    world.says_all(0).await;
}

#[tokio::test]
async fn the_ranks_of_another_game_are_not_shown() {
    let first = known(World::new(Kind::Redis, 1), 50).await;
    // A game at the same position of another inbox.
    let second = World::at(first.url.clone(), 1);
    second.adopt("another");
    second.commit(0, &[("ada", 1)]);
    second.says_nothing(0).await;
    second.rebuild(0).await;
    second.says_all(0).await;
    first.says_nothing(0).await;
    first.project_now(0, first.commit(0, &[("p7", 9)])).await;
    second.says_all(0).await;
}

/// A process that only reads ranks does not use the inbox, and needs no restart.
#[tokio::test]
async fn who_was_not_stopped_follows_the_game_to_another_inbox() {
    let mut world = known(World::new(Kind::Redis, 1), 50).await;
    world.processes.push(world.process());
    world.rebuild(1).await;
    world.says_all(1).await;
    world.adopt("another");
    world.commit(0, &[("p1", 100)]);
    // A process that started later rebuilds all ranks.
    world.processes.push(world.process());
    world.rebuild(2).await;
    world.says_all(2).await;
    for process in [1, 0] {
        world.rebuild(process).await;
        world.says_all(process).await;
    }
    for process in [2, 1, 0, 2] {
        world.rebuild(process).await;
        world.says_all(2).await;
        world.says_all(0).await;
    }
}

/// A new number of partitions is a new generation of the same inbox: all data in Redis is void, and no process shows
/// it, whichever number it uses.
#[tokio::test]
async fn the_ranks_of_another_number_of_partitions_are_not_shown() {
    for (before, after) in [(1, 3), (3, 1)] {
        let first = World::new(Kind::Redis, before);
        let all: Vec<_> = (0..50).map(|number| standing(&format!("p{number}"), number % 7, NOW_MS)).collect();
        first.commit_standings(0, all.clone());
        first.rebuild(0).await;
        first.says_all(0).await;

        let mut second = World::at(first.url.clone(), after);
        second.adopt("inbox-1");
        for (number, standing) in (0..).zip(all) {
            second.commit_standings(number % after, vec![standing]);
        }
        second.says_nothing(0).await;
        second.rebuild(0).await;
        second.says_all(0).await;
        first.says_nothing(0).await;
        // A process that was not restarted reads the current store, and does not rebuild the ranks for its old one.
        first.restore(second.copy());
        let rebuilt = first.try_rebuild(0).await;
        assert!(
            matches!(&rebuilt, Err(RebuildError::Store { source: store::Error::OtherPartitions { .. } })),
            "{rebuilt:?}"
        );
        first.says_nothing(0).await;
        second.processes.push(second.process());
        second.rebuild(1).await;
        second.says_all(1).await;
    }
}

/// A store that pauses in the middle of a rebuild.
struct Slow<'a> {
    world: &'a World,
    reading: Notify,
    go_on: Notify,
}

impl Source for Slow<'_> {
    async fn identity(&self) -> Result<Option<Identity>, store::Error> {
        self.world.identity().await
    }

    async fn positions(&self) -> Result<Vec<(u16, Position)>, store::Error> {
        self.world.positions().await
    }

    async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), store::Error> {
        let read = self.world.standings(partition).await;
        self.reading.notify_one();
        self.go_on.notified().await;
        read
    }
}

#[tokio::test]
async fn while_one_rebuilds_others_wait_and_when_it_dies_another_goes_on() {
    let mut world = World::new(Kind::Redis, 1);
    world.processes.push(world.process());
    world.commit(0, &[("ada", 1), ("bob", 2)]);
    let slow = Slow { world: &world, reading: Notify::new(), go_on: Notify::new() };
    {
        let rebuilding = world.processes[0].rebuild_stale(&slow, NOW_MS);
        tokio::pin!(rebuilding);
        tokio::select! {
            ended = &mut rebuilding => panic!("it ends without the store: {ended:?}"),
            () = slow.reading.notified() => {}
        }
        world.rebuild(1).await;
        world.says_nothing(1).await;
        // The lock is renewed for longer than its own lifetime.
        let longer = tokio::time::sleep(Duration::from_millis(5_500));
        tokio::select! {
            ended = &mut rebuilding => panic!("it ends without the store: {ended:?}"),
            () = longer => {}
        }
        world.rebuild(1).await;
        world.says_nothing(1).await;
    } // the process dies here
    timeout(async {
        while !world.is_exact(1).await {
            world.rebuild(1).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_rebuilder_whose_ground_is_gone_gives_up() {
    for blow in
        ["FLUSHDB", "DEL {buttonparty}:order", "DEL {buttonparty}:rebuild:0", "DEL {buttonparty}:lock"]
    {
        let world = World::new(Kind::Redis, 1);
        world.commit(0, &[("ada", 1), ("bob", 2)]);
        let slow = Slow { world: &world, reading: Notify::new(), go_on: Notify::new() };
        let meanwhile = async {
            slow.reading.notified().await;
            let mut words = blow.split(' ');
            ask::<()>(&world.url, cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>())).await;
            slow.go_on.notify_one();
        };
        let (rebuilt, ()) = tokio::join!(world.processes[0].rebuild_stale(&slow, NOW_MS), meanwhile);
        rebuilt.unwrap();
        // Without its lock it may finish the rebuild: no other process has started one.
        if blow.ends_with("lock") {
            world.says_all(0).await;
        } else {
            world.says_nothing(0).await;
        }
        world.rebuild(0).await;
        world.says_all(0).await;
    }
}

/// Copies the keys of the ranks from one prefix to another atomically.
async fn copy_keys(url: &str, from: &str, to: &str) {
    let script = "for i, key in ipairs({'state', 'order', 'of', 'rebuild:0', 'lock'}) do
        redis.call('COPY', ARGV[1] .. key, ARGV[2] .. key, 'REPLACE') end";
    ask::<()>(url, cmd("EVAL").arg(script).arg(0).arg(from).arg(to)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_an_older_copy_in_the_midst_of_rebuilding_is_noticed() {
    let world = Arc::new(known(World::new(Kind::Redis, 1), 40_000).await);
    let url = world.url.as_str();
    let written = async || {
        let chunks = cmd("HGET").arg("{buttonparty}:rebuild:0").arg("chunks").clone();
        ask::<Option<u64>>(url, &chunks).await
    };
    timeout(async {
        loop {
            flush(url).await;
            let rebuilding = tokio::spawn({
                let world = Arc::clone(&world);
                async move { world.try_rebuild(0).await }
            });
            // Copies the ranks after the first chunk is written; restores the copy after more chunks are.
            while !rebuilding.is_finished() && written().await.is_none_or(|chunks| chunks < 2) {}
            copy_keys(url, "{buttonparty}:", "{buttonparty}:copy:").await;
            let copied: Option<u64> =
                ask(url, cmd("HGET").arg("{buttonparty}:copy:rebuild:0").arg("chunks")).await;
            while !rebuilding.is_finished() && written().await.is_some_and(|chunks| Some(chunks) == copied) {}
            let older = copied.is_some() && written().await.is_some_and(|chunks| Some(chunks) > copied);
            copy_keys(url, "{buttonparty}:copy:", "{buttonparty}:").await;
            rebuilding.await.unwrap().unwrap();
            if older {
                break;
            }
        }
    })
    .await;
    let best = world.truth()[0].0.clone();
    assert_eq!(world.rank(0, &best).await, None);
    timeout(async {
        while world.rank(0, &best).await.is_none() {
            world.rebuild(0).await;
        }
    })
    .await;
    for (standing, rank) in world.truth().iter().step_by(997) {
        assert_eq!(world.says(0, standing).await, *rank, "{standing:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rebuilders_and_a_game_that_goes_on_end_exact() {
    const PLAYERS: u64 = 10_000;
    let mut world = known(World::new(Kind::Redis, 1), PLAYERS).await;
    world.processes.push(world.process());
    let world = Arc::new(world);
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    for process in 0..2 {
        let (world, stop) = (Arc::clone(&world), stop.clone());
        tasks.spawn(async move { world.processes[process].run(stop).await });
    }
    let playing = Arc::new(AtomicBool::new(true));
    for process in 0..2 {
        let (world, playing) = (Arc::clone(&world), Arc::clone(&playing));
        tasks.spawn(async move {
            while playing.load(Ordering::Relaxed) {
                world.rebuild(process).await;
                tokio::task::yield_now().await;
            }
        });
    }
    for round in 0..400_u64 {
        let changed = |index: u64| (format!("p{}", (round * 977 + index * 13) % PLAYERS), round + index);
        let commit = world.commit(0, &(0..50).map(changed).collect::<Vec<_>>());
        // Some projections are lost: each makes the partition stale, and others follow during the rebuild.
        if round % 80 != 40 {
            world.project(0, commit);
            timeout(world.processes[1].changed()).await; // not faster than they are delivered
        }
        if round % 200 == 150 {
            flush(&world.url).await;
        }
    }
    timeout(async {
        let ada = world.truth()[0].clone();
        while world.rank(0, &ada.0).await != Some(ada.1) {
            world.pass(250);
            tokio::task::yield_now().await;
        }
    })
    .await;
    playing.store(false, Ordering::Relaxed);
    stop.cancel();
    timeout(tasks.join_all()).await;
    world.pass(2_001);
    world.says_all(0).await;
    world.says_all(1).await;
}
