//! The top of each partition, and the merged top, are exact after every batch.

use game::bounds::TOP_KEPT_MAX;
use game::{Action, Level, Player, PowerupKind, Standing, Username};
use store::{TopEntry, TopRow};

use crate::harness::{Fresh, NOW_MS, Writer, add, add_named, buy, player, press, round, run, seed, user};

/// Compares every stored top, and the merged top, with a full sort of all players.
async fn check(fresh: &Fresh) {
    let state = fresh.state().await;
    let mut all = Vec::new();
    for (partition, top) in &state.tops {
        let players = state.players.iter().filter(|((of, _), _)| of == partition);
        let mut sorted: Vec<TopEntry> = players
            .map(|((_, username), player)| TopEntry {
                standing: Standing::of(username, player),
                name: player.name.clone(),
            })
            .collect();
        sorted.sort_by(|a, b| a.standing.cmp(&b.standing));
        all.extend(sorted.clone());
        sorted.truncate(100);
        assert!(*top == sorted, "partition {partition}");
    }
    assert_eq!(all.len(), state.players.len(), "every partition with players has a top");
    all.sort_by(|a, b| a.standing.cmp(&b.standing));
    let all = (1..).zip(all).map(|(rank, TopEntry { standing, name })| TopRow {
        rank,
        username: standing.username,
        name,
        score: standing.score,
    });
    let all: Vec<TopRow> = all.take(100).collect();
    let reader = fresh.store.reader().await.unwrap();
    assert_eq!(reader.top(100).await.unwrap(), all);
    assert_eq!(reader.top(usize::MAX).await.unwrap(), all, "never more than is stored");
    assert_eq!(reader.top(10).await.unwrap(), all[..all.len().min(10)]);
    reader.close().await;
}

fn name(n: usize) -> String {
    format!("player {n}")
}

/// This many players with many different scores, some equal.
async fn crowd(writer: &Writer, partition: u16, players: usize) {
    let players: Vec<(Username, Player)> = (0..players)
        .map(|n| {
            let scrambled = u64::try_from(n).unwrap() * 7919 % 1009;
            let reached_at_ms = NOW_MS + i64::try_from(n % 3).unwrap();
            (user(&name(n)), Player { reached_at_ms, ..player(2000 + scrambled) })
        })
        .collect();
    seed(writer, partition, &players).await;
}

pub(crate) async fn top_is_exact_after_changes_and_renames(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    run(&writer, 0, &[(NOW_MS, add("zoe"))]).await;
    check(fresh).await;
    crowd(&writer, 0, 1300).await;
    check(fresh).await;
    run(&writer, 0, &[(NOW_MS, Action::Announce(round(1)))]).await;
    check(fresh).await;
    let at_ms = round(1).opens_at_ms;
    for n in (0..1300).step_by(130) {
        let commands: Vec<(i64, Action)> =
            (n..n + 65).map(|n| (at_ms + i64::try_from(n).unwrap(), press(&name(n)))).collect();
        run(&writer, 0, &commands).await;
        check(fresh).await;
    }
    // Renames a player at the top, in the middle and at the bottom: only the first changes the snapshot.
    let best = fresh.state().await.tops[&0][0].standing.username.clone();
    for (n, who) in [best.as_str(), "player 700", "zoe"].into_iter().enumerate() {
        run(&writer, 0, &[(at_ms, add_named(who, &format!("name {n}")))]).await;
        check(fresh).await;
    }
    let shown = fresh.state().await.tops[&0][0].name.clone().unwrap();
    assert_eq!(shown.as_str(), "name 0");
    // Players who enter because others drop have no name in the batch.
    let top = fresh.state().await.tops[&0].clone();
    let outside: Vec<(i64, Action)> =
        (0..1300).map(|n| (at_ms, add_named(&name(n), &format!("shown {n}")))).collect();
    run(&writer, 0, &outside).await;
    check(fresh).await;
    let fallen: Vec<(i64, Action)> = top[..50]
        .iter()
        .map(|entry| (at_ms, buy(entry.standing.username.as_str(), "a", PowerupKind::Freeze, Level::Four)))
        .collect();
    run(&writer, 0, &fallen).await;
    check(fresh).await;
}

pub(crate) async fn top_is_filled_anew_when_purchases_thin_it(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    crowd(&writer, 0, TOP_KEPT_MAX + 400).await;
    check(fresh).await;
    let state = fresh.state().await;
    let mut sorted: Vec<Standing> =
        state.players.iter().map(|((_, username), player)| Standing::of(username, player)).collect();
    sorted.sort();
    // The best players drop one by one behind the 1400th: after 901, fewer than 100 of the kept players are left.
    for (batch, fallen) in sorted[..TOP_KEPT_MAX].chunks(90).enumerate() {
        let twice = ["a", "b"];
        let commands: Vec<(i64, Action)> = fallen
            .iter()
            .flat_map(|standing| twice.map(|id| (standing.username.as_str(), id)))
            .map(|(who, id)| (NOW_MS + 10, buy(who, id, PowerupKind::Freeze, Level::Four)))
            .collect();
        run(&writer, 0, &commands).await;
        if batch >= 8 {
            check(fresh).await;
        }
    }
    // A refilled top is kept up to date like the old one.
    run(&writer, 0, &[(NOW_MS + 20, buy("player 1399", "c", PowerupKind::Multiplier, Level::Four))]).await;
    check(fresh).await;
}

pub(crate) async fn top_merges_partitions(fresh: &Fresh) {
    let writer = fresh.game(3).await;
    for partition in 0..3 {
        let players: Vec<(Username, Player)> = (0..150)
            .map(|n| (user(&format!("{partition}-{n}")), player(n * 7 % 101 + u64::from(partition))))
            .collect();
        seed(&writer, partition, &players).await;
        check(fresh).await;
    }
}

/// A writer that remembers an old top, or none, stores the correct one.
pub(crate) async fn top_survives_another_writer(fresh: &Fresh) {
    let first = fresh.game(1).await;
    crowd(&first, 0, 1100).await;
    let second = Writer::open(&fresh.store).await.unwrap();
    for step in 0..6 {
        let writer = if step % 2 == 0 { &second } else { &first };
        let best = fresh.state().await.tops[&0][..30].to_vec();
        let commands: Vec<(i64, Action)> = best
            .iter()
            .map(|entry| entry.standing.username.as_str())
            .map(|who| (NOW_MS + step, buy(who, &format!("id-{step}"), PowerupKind::Freeze, Level::Two)))
            .collect();
        run(writer, 0, &commands).await;
        check(fresh).await;
    }
}
