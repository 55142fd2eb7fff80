//! A player's row holds every field of a player.

use game::{
    DisplayName, LastPress, LastPurchase, Level, Platform, Player, PressOutcome, PurchaseId, PurchaseOutcome,
    Username,
};
use store::Error;

use crate::harness::{Fresh, NOW_MS, effect, player, seed, user};

/// Players that differ from a plain one in each field, with every level and every outcome.
fn all_kinds() -> Vec<(Username, Player)> {
    let plain = player(0);
    let mut all = vec![plain.clone()];
    let full = Player {
        name: Some(DisplayName::new("Zoë \"the\" \\ 🦀").unwrap()),
        platform: Some(Platform::Android),
        added_at_ms: NOW_MS + 1,
        score: game::bounds::SCORE_MAX,
        streak: 17,
        reached_at_ms: NOW_MS + 2,
        settled_round: 11,
        pressed_round: 12,
        fixed_round: 13,
        fixed_extender: 10,
        ..plain.clone()
    };
    for platform in Platform::ALL {
        all.push(Player { platform: Some(platform), ..full.clone() });
    }
    for level in Level::ALL {
        all.push(Player { freeze: effect(level), ..full.clone() });
        all.push(Player { multiplier: effect(level), ..full.clone() });
        all.push(Player { extender: effect(level), ..full.clone() });
    }
    let presses = [
        (Some(7), PressOutcome::Counted { points: u64::MAX }),
        (None, PressOutcome::NotOpen),
        (Some(8), PressOutcome::AlreadyPressed),
        (Some(9), PressOutcome::TooLate),
    ];
    for (round, outcome) in presses {
        let last_press = Some(LastPress { round, outcome, arrived_at_ms: NOW_MS + 3 });
        all.push(Player { last_press, streak: u64::MAX, ..plain.clone() });
    }
    let outcomes =
        [PurchaseOutcome::Bought, PurchaseOutcome::HigherLevelActive, PurchaseOutcome::NotEnoughPoints];
    for outcome in outcomes {
        let id = PurchaseId::new("id-\"1\"").unwrap();
        all.push(Player { last_purchase: Some(LastPurchase { id, outcome }), ..plain.clone() });
    }
    all.into_iter().enumerate().map(|(n, player)| (user(&format!("player {n}")), player)).collect()
}

pub(crate) async fn every_field_comes_back(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    let players = all_kinds();
    seed(&writer, 0, &players).await;
    check(fresh, &writer, &players).await;

    // Again over existing rows, with each field from another player.
    let names: Vec<Username> = players.iter().map(|(username, _)| username.clone()).collect();
    let turned = players.iter().cycle().skip(1).map(|(_, player)| player.clone());
    let players: Vec<(Username, Player)> = names.into_iter().zip(turned).collect();
    seed(&writer, 0, &players).await;
    check(fresh, &writer, &players).await;
}

async fn check(fresh: &Fresh, writer: &crate::harness::Writer, players: &[(Username, Player)]) {
    let names: Vec<Username> = players.iter().map(|(username, _)| username.clone()).collect();
    let world = writer.prefetch(0, &names, &[]).await.unwrap().world;
    let reader = fresh.store.reader().await.unwrap();
    let state = fresh.state().await;
    assert_eq!((world.players.len(), state.players.len()), (players.len(), players.len()));
    for (username, player) in players {
        assert_eq!(world.players[username], *player);
        assert_eq!(state.players[&(0, username.clone())], *player);
        assert_eq!(reader.player(username, 0, NOW_MS).await.unwrap().unwrap().player, *player);
    }
}

pub(crate) async fn any_text_comes_back(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    let names = [
        "a", "A", "ä", "a ", " a", "1", "null", "true", "\"", "\\", "\\u0041", "[]", "{}", "%_*", "🦀", "é",
        "e\u{301}",
    ];
    let longest = "x".repeat(128);
    let names: Vec<&str> =
        names.into_iter().chain([longest.as_str(), "\u{feff}", "\u{ffff}", "\u{2028}"]).collect();
    let players: Vec<(Username, Player)> =
        names.iter().zip(0..).map(|(name, score)| (user(name), player(score))).collect();
    seed(&writer, 0, &players).await;
    check(fresh, &writer, &players).await;
}

pub(crate) async fn what_no_program_wrote_is_corrupt(fresh: &Fresh) {
    let writer = fresh.game(1).await;
    let name = user("ada");
    let damages = [
        ("UPDATE players SET platform = 'abacus'", player(1)),
        ("UPDATE players SET freeze_level = 9", Player { freeze: effect(Level::One), ..player(1) }),
        ("UPDATE players SET fixed_extender = -1", player(1)),
        ("UPDATE players SET name = ''", player(1)),
    ];
    for (damage, player) in damages {
        seed_over(fresh, &writer, &name, player).await;
        fresh.execute(damage).await;
        let error = writer.prefetch(0, std::slice::from_ref(&name), &[]).await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { .. }) && !error.is_transient(), "{damage}: {error:?}");
    }
}

async fn seed_over(fresh: &Fresh, writer: &crate::harness::Writer, name: &Username, player: Player) {
    fresh.execute("DELETE FROM players").await;
    seed(writer, 0, &[(name.clone(), player)]).await;
}
