//! Password rotation of the database roles while the game runs.

use std::iter::zip;

use servers::postgres::Mode;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::place::Place;
use crate::support::{BY_HAND, Game, beside_others, command, eventually, now_ms, with_auth};

/// Each role of the binary, and its database login.
const LOGINS: [(&str, &str); 4] = [
    ("handler", "buttonparty_writer"),
    ("fetch", "buttonparty_reader"),
    ("push", "buttonparty_push"),
    ("scheduler", "buttonparty_scheduler"),
];
/// The new password, with all characters that are special in a URL or in SQL.
const NEW: &str = "p@ss:/w%rd é'?#%41";
/// Minimum time of rejected logins before a process ends, in milliseconds.
const PATIENCE_MS: i64 = 4_000;

/// Executes a statement as the owner.
async fn execute(place: &Place, statement: String) {
    let mut connection = place.database().await;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Starts a role with this password, which is not part of the URL.
async fn start(place: &Place, (role, login): (&str, &str), password: &str) -> Game {
    let url = place.store_url_as(login, "x").replacen(":x@", "@", 1);
    let settings = [BY_HAND.as_slice(), &[("STORE_URL", &url), ("STORE_PASSWORD", password)]].concat();
    Game::spawn(command(place, &[role], &with_auth(&settings)), place.folder(), role).await
}

#[tokio::test]
async fn a_process_whose_password_was_changed_ends_and_goes_on_with_the_new_one() {
    let _beside = beside_others().await;
    let place = Place::breakable(Some(3_000)).await;
    let mut games = Vec::new();
    place.prepare("handler", &BY_HAND).await;
    for login in LOGINS {
        execute(&place, format!("ALTER ROLE {} PASSWORD 'old one'", login.1)).await;
        games.push(start(&place, login, "old one").await);
    }
    let ingest = start(&place, ("ingest", "buttonparty_scheduler"), "old one").await;
    ingest.add("ada").await;
    games[1].player("ada", |ada| ada["rank"] == 1).await;

    // A restart of the server does not end the process.
    place.store_server().restart(Mode::Fast).await;
    ingest.add("bob").await;
    games[1].player("bob", |bob| bob["rank"] == 2).await;

    let begun_ms = now_ms();
    for (_, login) in LOGINS {
        execute(&place, format!("ALTER ROLE {login} PASSWORD '{}'", NEW.replace('\'', "''"))).await;
    }
    execute(
        &place,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'buttonparty%'".into(),
    )
    .await;
    ingest.add("eve").await; // needs the inbox only
    for ((role, login), game) in zip(LOGINS, games) {
        let log = game.log.clone();
        assert_eq!(game.wait().await.code(), Some(1), "{role}");
        assert!(now_ms() - begun_ms >= PATIENCE_MS, "{role} ended at the first refusal");
        let told = std::fs::read_to_string(log).unwrap();
        let last = told.lines().last().unwrap();
        assert!(
            last.starts_with("buttonparty: database login rejected; was the password rotated?: "),
            "{role}: {told}"
        );
        let reason = format!("password authentication failed for user \"{login}\"");
        assert!(last.contains(&reason) && !told.contains("old one"), "{role}: {told}");
    }

    let mut games = Vec::new();
    for login in LOGINS {
        games.push(start(&place, login, NEW).await);
    }
    games[1].player("eve", |eve| eve["rank"] == 3).await;
    games[3].open_round().await;
    ingest.press("eve").await;
    games[1].player("eve", |eve| eve["rank"] == 1 && eve["score"] == 1).await;
    eventually("the push leaves", || async {
        std::fs::read_to_string(&games[2].log).unwrap().contains("pushed").then_some(())
    })
    .await;
    for game in games.into_iter().chain([ingest]) {
        assert!(game.stop().await.success());
    }
}
