//! A process continues after it was suspended, as by a paused machine or a stalled disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rstest::rstest;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, alone, full, with_auth};

/// Number of players that a phone adds before it waits until they show: a steady load, but no growing backlog.
const UNSEEN_MAX: usize = 8;

#[rstest]
#[tokio::test]
async fn a_stall_under_load_stops_nothing_for_good(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let place = Place::quick(stack).await;
    // Longer than the handler's interval of lease renewals, shorter than the lease.
    let stall_for = Duration::from_millis(u64::from(stack.quick_ms()) * 7 / 10);
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    let done = AtomicBool::new(false);
    let (game, done) = (&game, &done);
    let phones = (0..24).map(|phone| async move {
        let mut added = 0;
        while !done.load(Ordering::Relaxed) {
            let username = format!("phone-{phone}-{added}");
            game.add(&username).await;
            added += 1;
            if added % UNSEEN_MAX == 0 {
                game.player(&username, |player| player["score"] == 0).await;
            }
        }
        added
    });
    let stalls = async {
        for stall in 0..full(8, 3) {
            let username = format!("between-{stall}");
            game.add(&username).await;
            game.signal("STOP");
            tokio::time::sleep(stall_for).await; // the stall itself, not a wait for anything
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
