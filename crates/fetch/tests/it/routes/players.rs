//! What `/fetch/self` shows of a player. It shows nothing of a round before it opens.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_new_player_has_nothing_yet() {
    let bench = Bench::new().await;
    bench.apply(NOW_MS - 5, add("ada", None)).await;
    bench.rebuild().await;
    let expected = json!({
        "username": "ada", "name": null, "score": 0, "streak": 0, "rank": 1, "pressed": false, "round": null,
        "powerups": {"FREEZE": null, "MULTIPLIER": null, "EXTENDER": null},
        "last_press": null, "last_purchase": null, "now": NOW_MS,
    });
    assert_eq!(bench.me("ada").await, expected);
}

#[tokio::test]
async fn a_player_sees_what_became_of_their_commands() {
    let bench = Bench::new().await;
    bench.rebuild().await;
    bench.announce(round(1, NOW_MS)).await;
    bench.apply(NOW_MS - 1, add("ada", Some("Ada L."))).await;
    bench.apply(NOW_MS + 700, press("ada")).await;
    bench.apply(NOW_MS + 800, buy("ada", "key-1", PowerupKind::Freeze, Level::One)).await;
    bench.go_to(NOW_MS + 1_000);
    let expected = json!({
        "username": "ada", "name": "Ada L.", "score": 1, "streak": 1, "rank": 1, "pressed": true,
        "round": {"round": 1, "opens_at": NOW_MS, "closes_at": NOW_MS + 100_000},
        "powerups": {"FREEZE": null, "MULTIPLIER": null, "EXTENDER": null},
        "last_press": {"round": 1, "outcome": "counted", "points": 1, "arrived_at": NOW_MS + 700},
        "last_purchase": {"id": "key-1", "outcome": "not_enough_points"},
        "now": NOW_MS + 1_000,
    });
    assert_eq!(bench.me("ada").await, expected);
    // Too early: the player pressed when no round was open.
    bench.apply(NOW_MS - 9, add("bob", None)).await;
    bench.apply(NOW_MS - 8, press("bob")).await;
    let bob = bench.me("bob").await;
    let early = json!({"round": null, "outcome": "not_open", "points": 0, "arrived_at": NOW_MS - 8});
    assert_eq!((&bob["last_press"], &bob["pressed"], &bob["score"]), (&early, &json!(false), &json!(0)));
}

#[tokio::test]
async fn a_round_is_secret_to_the_millisecond() {
    let bench = Bench::new().await;
    let opens_at_ms = NOW_MS + 10_000;
    bench.join("ada", 0).await;
    bench.rebuild().await;
    bench.announce(round(1, opens_at_ms)).await;
    for at_ms in [NOW_MS, opens_at_ms - 1] {
        bench.go_to(at_ms);
        for path in ["/fetch/self?username=ada", "/fetch/lb"] {
            let text = bench.get(path).await.text;
            assert!(!text.contains(&opens_at_ms.to_string()), "{text}");
        }
        assert_eq!(bench.me("ada").await["round"], json!(null));
    }
    let lit = json!({"round": 1, "opens_at": opens_at_ms, "closes_at": opens_at_ms + 100_000});
    for at_ms in [opens_at_ms, opens_at_ms + 99_999] {
        bench.go_to(at_ms);
        assert_eq!(bench.me("ada").await["round"], lit);
    }
    bench.go_to(opens_at_ms + 100_000);
    assert_eq!(bench.me("ada").await["round"], json!(null), "the grace is never shown");
}

#[tokio::test]
async fn a_round_that_not_every_partition_knows_is_not_shown() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    let row =
        Scheduled { round: round(1, NOW_MS), by_operator: true, stage: Stage::Announcing, ticks_sent: 0 };
    bench.schedule.insert_if_absent(&row).await.unwrap();
    bench.go_to(NOW_MS + 50);
    assert_eq!(bench.me("ada").await["round"], json!(null));
    bench.schedule.announced(1).await.unwrap();
    assert_eq!(bench.me("ada").await["round"]["round"], json!(1));
}

#[tokio::test]
async fn an_extender_shows_in_when_it_closes() {
    let bench = Bench::new().await;
    bench.join("ada", 1_000).await;
    bench.apply(NOW_MS, buy("ada", "a", PowerupKind::Extender, Level::Three)).await;
    bench.announce(round(1, NOW_MS + 10)).await;
    bench.go_to(NOW_MS + 10 + 299_999);
    assert_eq!(bench.me("ada").await["round"]["closes_at"], json!(NOW_MS + 10 + 300_000));
    bench.go_to(NOW_MS + 10 + 300_000);
    assert_eq!(bench.me("ada").await["round"], json!(null));
}

#[tokio::test]
async fn pressed_is_about_the_latest_round_that_opened() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    bench.announce(round(1, NOW_MS)).await;
    bench.apply(NOW_MS + 5, press("ada")).await;
    bench.announce(round(2, NOW_MS + 3_600_000)).await;
    for (at_ms, pressed) in [(NOW_MS + 6, true), (NOW_MS + 3_599_999, true), (NOW_MS + 3_600_000, false)] {
        bench.go_to(at_ms);
        assert_eq!(bench.me("ada").await["pressed"], json!(pressed));
    }
}

#[tokio::test]
async fn a_lost_streak_shows_once_everything_up_to_the_cutoff_is_applied() {
    let bench = Bench::new().await;
    bench.join("ada", 0).await;
    bench.announce(round(1, NOW_MS + 10)).await;
    bench.apply(NOW_MS + 20, press("ada")).await;
    let missed = round(2, NOW_MS + 3_600_000);
    bench.announce(missed).await;
    let cutoff_ms = missed.cutoff_ms(Round::BASE_HALVES);
    bench.go_to(cutoff_ms + 3_600_000);
    for through_ms in [None, Some(cutoff_ms - 1)] {
        if let Some(through_ms) = through_ms {
            bench.everywhere(&Action::Tick { through_ms }).await;
        }
        assert_eq!(bench.me("ada").await["streak"], json!(1), "a press may still be on its way");
    }
    bench.everywhere(&Action::Tick { through_ms: cutoff_ms }).await;
    let view = bench.me("ada").await;
    assert_eq!((&view["streak"], &view["score"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn powerups_show_while_they_are_active() {
    let hour_ms = 3_600_000;
    for (kind, level, name, quantity, lasts_ms) in [
        (PowerupKind::Freeze, Level::Two, "FREEZE", 12.0, 12 * hour_ms),
        (PowerupKind::Multiplier, Level::Four, "MULTIPLIER", 10.0, 6 * hour_ms),
        (PowerupKind::Extender, Level::One, "EXTENDER", 1.5, 6 * hour_ms),
    ] {
        let bench = Bench::new().await;
        bench.join("ada", 1_000).await;
        bench.apply(NOW_MS, buy("ada", "a", kind, level)).await;
        let shown = json!({"quantity": quantity, "from": NOW_MS, "until": NOW_MS + lasts_ms});
        for (at_ms, expected) in [
            (NOW_MS - 1, json!(null)),
            (NOW_MS, shown.clone()),
            (NOW_MS + lasts_ms - 1, shown),
            (NOW_MS + lasts_ms, json!(null)),
        ] {
            bench.go_to(at_ms);
            let powerups = &bench.me("ada").await["powerups"];
            assert_eq!(powerups[name], expected, "{name}");
            let others = powerups.as_object().unwrap().iter().filter(|(other, _)| *other != name);
            assert!(others.map(|(_, shown)| shown).all(Value::is_null));
        }
    }
}
