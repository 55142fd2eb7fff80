//! Devices: the only rows that partitions share.

use game::{Action, Add, Platform};

use crate::harness::{Fresh, NOW_MS, add_device, run, token, user};

/// Two partitions claim a device, in both orders: the greatest (arrived_at, username) owns it.
pub(crate) async fn a_device_belongs_to_the_greatest_claim(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let cases = [
        ("later wins", ("zoe", NOW_MS), ("ada", NOW_MS + 1)),
        ("at the same time the greater name wins", ("ada", NOW_MS), ("zoe", NOW_MS)),
        ("names are compared byte by byte", ("Zoe", NOW_MS), ("ada", NOW_MS)),
        ("beyond ASCII too", ("z", NOW_MS), ("ä", NOW_MS)),
    ];
    for (why, loser, winner) in cases {
        for winner_first in [false, true] {
            let device = format!("{why}, {winner_first}");
            let mut claims = [(0, loser), (1, winner)];
            if winner_first {
                claims.reverse();
            }
            for (partition, (name, at_ms)) in claims {
                run(&writer, partition, &[(at_ms, add_device(name, &device))]).await;
            }
            let state = fresh.state().await;
            let (partition, owner) = &state.devices[&token(&device)];
            let owner = (*partition, owner.username.as_str(), owner.arrived_at_ms);
            assert_eq!(owner, (1, winner.0, winner.1), "{device}");
        }
    }
    // The same claim again with another platform: the later one in the player's own order wins.
    let again = Add {
        username: user("ada"),
        name: None,
        platform: Some(Platform::Web),
        token: Some(token("later wins, true")),
    };
    run(&writer, 1, &[(NOW_MS + 1, Action::Add(again))]).await;
    assert_eq!(fresh.state().await.devices[&token("later wins, true")].1.platform, Some(Platform::Web));
}

pub(crate) async fn devices_come_in_token_order(fresh: &Fresh) {
    let writer = fresh.game(2).await;
    let longest = "t".repeat(4096);
    let tokens = ["b", "a", "B", "ä", "🦀", "aa", &longest];
    let mut commands: Vec<(i64, Action)> =
        tokens.iter().zip(0..).map(|(token, n)| (NOW_MS + n, add_device("ada", token))).collect();
    run(&writer, 0, &commands).await;
    commands.clear();
    run(&writer, 1, &[(NOW_MS, add_device("bea", "elsewhere"))]).await;
    let ios =
        Add { username: user("ada"), name: None, platform: Some(Platform::Ios), token: Some(token("c")) };
    run(&writer, 0, &[(NOW_MS, Action::Add(ios))]).await;

    let outbox = fresh.store.outbox().await.unwrap();
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = outbox.devices(0, after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.token.clone());
        read.extend(page);
    }
    let order: Vec<&str> = read.iter().map(|device| device.token.as_str()).collect();
    assert_eq!(order, ["B", "a", "aa", "b", "c", &longest, "ä", "🦀"]);
    assert!(read.iter().all(|device| device.username == user("ada")));
    assert_eq!((read[0].platform, read[4].platform), (None, Some(Platform::Ios)));
}
