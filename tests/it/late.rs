//! A fixed round that could not be announced before its opening, because the inbox was down.

use game::Round;
use rstest::rstest;
use serde_json::json;
use store::{Scheduled, Stage};

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{Game, beside_others, eventually, now_ms, with_auth};

/// Long enough for presses after a late announcement, even on a busy machine.
const LONG: [(&str, &str); 4] =
    [("ROUND_ODDS", "0"), ("WINDOW_MS", "8000"), ("GRACE_MS", "2000"), ("ROUND_GAP_MS", "50001")];
const ROUNDS_BEFORE: u64 = 2;

#[rstest]
#[tokio::test]
async fn a_press_in_a_late_round_counts_and_nobody_loses_a_streak_by_it(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let place = Place::cuttable(stack).await;
    let players = ["ada", "bob"].map(ToOwned::to_owned);
    let score = place.put_past(1, &players, ROUNDS_BEFORE).await;
    let game = Game::start(&place, "all", &with_auth(&LONG)).await;
    for name in &players {
        game.player(name, |player| player["score"] == score).await;
    }

    let schedule = place.store().schedule().await.unwrap();
    let blocked = place.block_inbox().await;
    let opens_at_ms = now_ms() + 500;
    let round = Round::new(ROUNDS_BEFORE + 1, opens_at_ms, 8_000, 2_000).unwrap();
    let fixed = Scheduled { round, by_operator: true, stage: Stage::Announcing, ticks_sent: 0 };
    assert!(schedule.insert_if_absent(&fixed).await.unwrap());
    game.wait_until(opens_at_ms + 500).await;
    assert_eq!(schedule.get(round.id).await.unwrap(), Some(fixed), "nobody was told yet");
    drop(blocked);
    schedule.close().await;

    game.player("ada", |ada| ada["round"]["opens_at"] == opens_at_ms).await;
    let ada = game.press_and_see("ada").await;
    assert_eq!(ada["last_press"]["outcome"], "counted", "{ada}");
    assert_eq!(ada["streak"], ROUNDS_BEFORE + 1, "{ada}");
    let cutoff_ms = round.cutoff_ms(Round::BASE_HALVES);
    eventually("everything up to the cutoff is applied", || async {
        let applied_through_ms = place.state().await.applied_through_ms;
        applied_through_ms.values().all(|through_ms| *through_ms >= cutoff_ms).then_some(())
    })
    .await;
    // As reads show bob, and as bob is after a command.
    let bob = game.player("bob", |_| true).await;
    assert_eq!((&bob["streak"], &bob["last_press"]["round"]), (&json!(ROUNDS_BEFORE), &json!(ROUNDS_BEFORE)));
    let bob = game.press_and_see("bob").await;
    assert_eq!((&bob["streak"], &bob["last_press"]["outcome"]), (&json!(ROUNDS_BEFORE), &json!("too_late")));

    let state = place.state().await;
    let row = &state.players.iter().find(|((_, username), _)| username.as_str() == "bob").unwrap().1;
    assert_eq!((row.streak, row.settled_round), (ROUNDS_BEFORE, round.id));
    assert!(state.rounds[&(0, round.id)].late);
    // The earlier rounds were over when they were put into the inbox.
    let late = state.rounds.values().filter(|round| round.late).count();
    assert_eq!(late as u64, ROUNDS_BEFORE + 1);
    assert_eq!(game.metric("buttonparty_late_announcements_total").await, late as f64);
    assert!(game.stop().await.success());
    place.assert_verified(&LONG).await;
}
