//! The embedded files: deleted under the running process, and opened by a second one.

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::place::Stack::Embedded;
use crate::place::{GAME, INBOX, Place, carry};
use crate::support::{BY_HAND, DEADLINE, Game, beside_others, command, eventually, now_ms, run, with_auth};

/// How soon the process must notice, in milliseconds, including slack for a busy machine.
const NOTICED_MS: i64 = 5_000;

/// A game with a separate data folder, and its log outside that folder.
struct Home {
    folder: TempDir,
    place: Place,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::files_in(&folder.path().join("data"));
        Self { folder, place }
    }

    async fn start(&self) -> Game {
        Game::spawn(command(&self.place, &["all"], &with_auth(&BY_HAND)), self.folder.path(), "all").await
    }

    fn data(&self) -> &Path {
        self.place.folder()
    }
}

/// A game with one player.
async fn begun(home: &Home) -> Game {
    let game = home.start().await;
    game.add("before").await;
    game.player("before", |_| true).await;
    game
}

/// The next command is rejected, and readiness soon gives the reason.
async fn assert_noticed(game: &Game, names: &[&str]) {
    let since_ms = now_ms();
    for path in ["/add", "/press"] {
        let (status, problem) = game.post(path, json!({ "username": "meanwhile" }).to_string()).await;
        assert_eq!((status, &problem["status"]), (503, &json!(503)), "{path}: {problem}");
    }
    assert_not_ready(game, names, since_ms).await;
}

async fn assert_not_ready(game: &Game, names: &[&str], since_ms: i64) {
    let told = eventually("it is not ready", || async {
        let (status, told) = game.get("/readyz").await;
        (status == 503).then_some(told)
    })
    .await;
    for name in ["inbox", "store"] {
        let says = told["checks"][name].as_str().unwrap();
        assert_eq!(says.contains("is no longer the file"), names.contains(&name), "{told}");
    }
    eventually("the log says so", || async {
        let log = fs::read_to_string(&game.log).unwrap();
        let taken = |name: &&str| log.contains(&format!("files of the {name} were deleted or replaced"));
        names.iter().all(taken).then_some(())
    })
    .await;
    let took_ms = now_ms() - since_ms;
    assert!(took_ms < NOTICED_MS, "{took_ms} ms");
}

#[tokio::test]
async fn a_folder_that_is_deleted_or_replaced_takes_nothing() {
    let _beside = beside_others().await;
    for replaced in [false, true] {
        let home = Home::new();
        let game = begun(&home).await;
        let copy = home.folder.path().join("copy");
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(home.data()).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        fs::remove_dir_all(home.data()).unwrap();
        if replaced {
            fs::rename(&copy, home.data()).unwrap();
        }
        assert_noticed(&game, &["inbox", "store"]).await;
        // The process creates and changes nothing there, not even when it stops.
        assert!(game.stop().await.success());
        if replaced {
            let game = home.start().await;
            game.player("before", |_| true).await;
            assert_eq!(game.get("/fetch/self?username=meanwhile").await.0, 404);
            assert!(game.stop().await.success());
            home.place.assert_verified(&BY_HAND).await;
        } else {
            assert!(!home.data().exists());
        }
    }
}

#[tokio::test]
async fn a_folder_that_comes_back_is_gone_on_with() {
    let _beside = beside_others().await;
    let home = Home::new();
    let game = begun(&home).await;
    let aside = home.folder.path().join("aside");
    fs::rename(home.data(), &aside).unwrap();
    assert_noticed(&game, &["inbox", "store"]).await;
    assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    fs::rename(&aside, home.data()).unwrap();
    eventually("it is ready", || async { (game.get("/readyz").await.0 == 200).then_some(()) }).await;
    game.add("after").await;
    game.player("after", |_| true).await;
    eventually("the log says each once", || async {
        let log = fs::read_to_string(&game.log).unwrap();
        let count = |says: &str| log.matches(&format!("files of the inbox {says}")).count();
        assert_eq!(count("were deleted or replaced"), 1, "{log}");
        (count("are back") == 1).then_some(())
    })
    .await;
    assert!(game.stop().await.success());
    home.place.assert_verified(&BY_HAND).await;
}

#[tokio::test]
async fn a_store_that_is_taken_away_has_nothing_acked_for_it() {
    let _beside = beside_others().await;
    let home = Home::new();
    let game = begun(&home).await;
    let aside = tempfile::tempdir().unwrap();
    let since_ms = now_ms();
    carry(GAME, home.data(), aside.path());
    game.add("meanwhile").await; // the inbox accepts it
    assert_not_ready(&game, &["store"], since_ms).await;
    assert_eq!(game.post("/admin/rounds", "{}").await.0, 401, "it answers");
    let round = game.request(Method::POST, "/admin/rounds").bearer_auth("secret-of-operators");
    assert_eq!(round.json(&json!({ "lead_ms": 500 })).send().await.unwrap().status(), 503);
    game.kill().await;
    carry(GAME, aside.path(), home.data());
    let game = home.start().await;
    game.player("meanwhile", |_| true).await;
    assert!(game.stop().await.success());
    home.place.assert_verified(&BY_HAND).await;
}

/// The WAL of SQLite is as much data as the file itself.
#[tokio::test]
async fn a_log_of_the_database_that_is_deleted_is_missed() {
    let _beside = beside_others().await;
    let home = Home::new();
    let game = begun(&home).await;
    fs::remove_file(home.data().join(format!("{INBOX}-wal"))).unwrap();
    fs::remove_file(home.data().join(format!("{GAME}-wal"))).unwrap();
    assert_noticed(&game, &["inbox", "store"]).await;
    // A stop checkpoints the WAL into the file.
    assert!(game.stop().await.success());
    let game = home.start().await;
    game.player("before", |_| true).await;
    assert!(game.stop().await.success());
    home.place.assert_verified(&BY_HAND).await;
}

/// Checks that a start fails because another process holds the files.
async fn assert_held(place: &Place, role: &str, holder: &str) {
    let output = run(place, &[role], &with_auth(&BY_HAND)).await;
    let told = String::from_utf8_lossy(&output.stderr);
    let reason = format!("another process with the role {holder} is using");
    assert!(
        output.status.code() == Some(1) && told.contains(&reason) && told.contains(INBOX),
        "{role}: {told}"
    );
}

#[tokio::test]
async fn files_have_one_handler_and_one_scheduler() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let settings = with_auth(&BY_HAND);
    let game = Game::start(&place, "all", &settings).await;
    game.add("ada").await;
    for (role, holder) in
        [("all", "handler"), ("dev", "handler"), ("handler", "handler"), ("scheduler", "scheduler")]
    {
        assert_held(&place, role, holder).await;
    }
    // Roles that neither apply commands nor draw rounds may run as well.
    for role in ["ingest", "fetch", "push"] {
        assert!(Game::start(&place, role, &settings).await.stop().await.success(), "{role}");
    }
    for tool in [&["verify"][..], &["dlq", "list"], &["dlq", "redrive"], &["round", "open"]] {
        let output = run(&place, tool, &settings).await;
        assert!(output.status.success(), "{tool:?}: {output:?}");
    }
    game.player("ada", |ada| ada["rank"] == 1).await;

    // The system releases the locks of a dead process at once.
    game.kill().await;
    let [handler, scheduler] =
        [Game::start(&place, "handler", &settings).await, Game::start(&place, "scheduler", &settings).await];
    assert_held(&place, "all", "handler").await;
    assert!(handler.stop().await.success());
    assert_held(&place, "all", "scheduler").await;
    assert!(scheduler.stop().await.success());
    let game = Game::start(&place, "all", &settings).await;
    assert!(game.stop().await.success());
    place.assert_verified(&settings).await;
}

#[tokio::test]
async fn of_several_that_begin_a_game_at_once_one_goes_on() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let mut all: Vec<_> =
        (0..4).map(|_| command(&place, &["all"], &with_auth(&BY_HAND)).spawn().unwrap()).collect();
    let ended = async {
        for _ in 0..3 {
            let waits = all.iter_mut().map(|process| Box::pin(process.wait()));
            let (status, index, _) = futures_util::future::select_all(waits).await;
            assert_eq!(status.unwrap().code(), Some(1));
            drop(all.remove(index));
        }
    };
    timeout(DEADLINE, ended).await.expect("all but one end");
    assert!(all[0].try_wait().unwrap().is_none(), "one goes on");
    assert_held(&place, "all", "handler").await;
    all[0].kill().await.unwrap();
}
