//! The connection to Redis is cut or stalls: ranks are withheld in time, no caller waits, and the ranks recover.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use servers::proxy::Proxy;
use servers::redis;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

/// A game whose Redis is behind a proxy, with a running process.
struct Remote {
    world: Arc<World>,
    proxy: Proxy,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Remote {
    async fn start() -> Self {
        let database = redis::database();
        let proxy = Proxy::start(database.address());
        let url = database.url().replace(&database.address().to_string(), &proxy.address().to_string());
        let world = Arc::new(World::on(database, url, 1));
        world.commit(0, &[("ada", 1), ("bob", 2)]);
        world.rebuild(0).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (world, stop) = (Arc::clone(&world), stop.clone());
            async move { world.processes[0].run(stop).await }
        });
        Self { world, proxy, stop, running }
    }

    async fn is_exact(&self) -> bool {
        let truth = self.world.truth();
        for (standing, rank) in truth {
            match self.world.rank(0, &standing).await {
                None => return false,
                Some(said) if said != rank => return false, // not delivered yet
                Some(_) => {}
            }
        }
        true
    }

    /// Rebuilds until every rank is exact.
    async fn heals(&self) {
        timeout(async {
            while !self.is_exact().await {
                self.world.try_rebuild(0).await.ok();
                self.world.pass(250);
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Stops the process and keeps the proxy.
    async fn end(self) -> Proxy {
        self.stop.cancel();
        timeout(self.running).await.unwrap();
        self.proxy
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a caller waits is what is tested")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_withholds_ranks_and_heals() {
    let remote = Remote::start().await;
    remote.heals().await;
    for round in 0..3 {
        remote.proxy.cut();
        remote.world.project(0, remote.world.commit(0, &[("ada", round + 10)]));
        let ada = remote.world.truth()[0].0.clone();
        assert_eq!(remote.world.rank(0, &ada).await, None);
        let error = remote.world.try_rebuild(0).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        remote.proxy.mend();
        remote.heals().await;
    }
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_line_keeps_nobody_waiting_and_heals() {
    let remote = Remote::start().await;
    remote.heals().await;
    remote.proxy.stall();
    let ada = remote.world.truth()[0].0.clone();
    for _ in 0..5 {
        let begun = now();
        assert_eq!(remote.world.rank(0, &ada).await, None);
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(2), "a rank took {waited:?}"); // 100 ms on a machine that is not busy
    }
    // Far more than the queue holds, in far less time than Redis would need: the excess is dropped.
    let begun = now();
    for score in 0..300 {
        let crowd = (0..1_000).map(|number| standing(&format!("p{number}"), score, NOW_MS));
        remote.world.project(0, remote.world.commit_standings(0, crowd.collect()));
    }
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(10), "projecting took {waited:?}");
    remote.proxy.mend();
    remote.heals().await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_during_a_short_cut_needs_no_rebuilding() {
    let remote = Remote::start().await;
    remote.heals().await;
    remote.proxy.cut();
    for score in 0..50 {
        remote.world.project(0, remote.world.commit(0, &[("ada", score)]));
    }
    remote.proxy.mend();
    // No other process rebuilds meanwhile.
    timeout(async {
        while !remote.is_exact().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_delivers_what_is_left_and_does_not_wait_for_who_does_not_answer() {
    let remote = Remote::start().await;
    remote.heals().await;
    for score in 0..200 {
        remote.world.project(0, remote.world.commit(0, &[("ada", score)]));
    }
    let world = Arc::clone(&remote.world);
    let _line = remote.end().await;
    world.says_all(0).await;

    let remote = Remote::start().await;
    remote.proxy.stall();
    remote.world.project(0, remote.world.commit(0, &[("ada", 5)]));
    let begun = now();
    remote.end().await;
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(9), "stopping took {waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_told_that_something_was_projected() {
    let remote = Remote::start().await;
    let listener = Arc::new(remote.world.process());
    let running = tokio::spawn({
        let (listener, stop) = (Arc::clone(&listener), remote.stop.clone());
        async move { listener.run(stop).await }
    });
    timeout(listener.changed()).await; // it has subscribed
    for score in 0..3 {
        remote.world.project(0, remote.world.commit(0, &[("ada", score)]));
        timeout(listener.changed()).await;
        // After a cut it subscribes again.
        remote.proxy.cut();
        remote.proxy.mend();
        timeout(listener.changed()).await;
    }
    remote.end().await;
    timeout(running).await.unwrap();
}

/// Creates a locale for this test that sorts upper case, lower case and accented letters next to each other.
fn language(folder: &TempDir) -> bool {
    let made = Command::new("localedef")
        .args(["--no-archive", "-i", "en_US", "-f", "UTF-8"])
        .arg(folder.path().join("en_US.UTF-8"))
        .output();
    made.is_ok_and(|made| made.status.success())
}

#[tokio::test]
async fn the_order_does_not_depend_on_the_servers_language() {
    let folder = TempDir::new().unwrap();
    if !language(&folder) {
        servers::skipped("there is no localedef with its sources (on Debian: apt-get install locales)");
        return;
    }
    let path = folder.path().to_str().unwrap();
    let server = redis::Server::start_with(&[("LOCPATH", path), ("LC_ALL", "en_US.UTF-8")]);
    let world = World::at(server.url(), 1);
    let compared: bool = ask(&world.url, cmd("EVAL").arg("return 'a' < 'B'").arg(0)).await;
    assert!(compared, "Lua there compares as people of that language do");
    let names = ["a", "A", "b", "B", "-b", "ä", "Ä", "z", "Z", "_", " c", "é", "e", "日本", "0", "10", "9"];
    let all = |score| names.map(|name| standing(name, score, NOW_MS)).to_vec();
    world.commit_standings(0, all(1));
    world.rebuild(0).await;
    world.says_all(0).await;
    for score in 2..40 {
        world.project_now(0, world.commit_standings(0, all(score))).await;
        world.says_all(0).await;
    }
}
