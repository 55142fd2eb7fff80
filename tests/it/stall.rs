//! A process that stands still for a while, as a machine that is paused or a disk that stalls makes it, goes on by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{BY_HAND, Game, alone, with_auth};

/// Longer than the time after which the handler extends its lease, shorter than the lease.
const STALL: Duration = Duration::from_millis(700);

#[tokio::test]
async fn a_stall_under_load_stops_nothing_for_good() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("VISIBILITY_MS", "1000")]).collect();
    let game = Game::start(folder.path(), "all", &settings).await;
    let done = AtomicBool::new(false);
    let (game, done) = (&game, &done);
    let phones = (0..24).map(|phone| async move {
        let mut added = 0;
        while !done.load(Ordering::Relaxed) {
            game.add(&format!("phone-{phone}-{added}")).await;
            added += 1;
        }
        added
    });
    let stalls = async {
        for stall in 0..8 {
            let username = format!("between-{stall}");
            game.add(&username).await;
            game.signal("STOP");
            tokio::time::sleep(STALL).await; // the stall itself, not a wait for anything
            game.signal("CONT");
            game.player(&username, |player| player["score"] == 0).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (added, ()) = tokio::join!(futures_util::future::join_all(phones), stalls);
    assert!(added.iter().all(|added| *added > 0), "{added:?}");
    for (phone, added) in added.iter().enumerate() {
        game.player(&format!("phone-{phone}-{}", added - 1), |player| player["score"] == 0).await;
    }
}
