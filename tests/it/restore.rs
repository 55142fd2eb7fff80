//! Files that do not belong together, or come from different times: the start fails with a reason and leaves them
//! unchanged. Mostly about files, so on the embedded stack.

use std::fs;
use std::path::Path;

use rstest::rstest;
use sqlx::Connection;

use crate::place::Stack::{self, Embedded, Services};
use crate::place::{GAME, INBOX, Place, carry, open};
use crate::support::{BY_HAND, Game, beside_others, run, with_auth};

/// A finished game in which these players joined and pressed in one round.
async fn played(place: &Place, players: &[&str]) {
    let game = Game::start(place, "all", &with_auth(&BY_HAND)).await;
    play(&game, players).await;
    place.drained().await;
    assert!(game.stop().await.success());
    if place.stack() == Embedded {
        assert_in_one_file(place.folder());
    }
}

/// Asserts that the stop moved everything from the WAL into the files.
fn assert_in_one_file(folder: &Path) {
    for file in [INBOX, GAME] {
        assert!(!folder.join(format!("{file}-wal")).exists(), "{file}");
    }
}

async fn play(game: &Game, players: &[&str]) {
    for player in players {
        game.add(player).await;
    }
    game.open_round().await;
    for player in players {
        let seen = game.press_and_see(player).await;
        assert_eq!(seen["last_press"]["outcome"], "counted", "{seen}");
    }
}

fn copy(file: &str, from: &Path, to: &Path) {
    assert_in_one_file(from);
    fs::copy(from.join(file), to.join(file)).unwrap();
}

/// The bytes of both files and of any WAL that is left.
async fn content(place: &Place) -> Vec<Vec<u8>> {
    let folder = place.folder();
    let files: &[&str] = if place.stack() == Embedded { &[INBOX, GAME] } else { &[] };
    let mut content = Vec::new();
    for file in files {
        let mut connection = open(&folder.join(file)).await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        content.push(fs::read(folder.join(file)).unwrap());
    }
    content
}

/// Asserts that each of these roles fails to start with all of these texts, and leaves the files unchanged.
async fn assert_refused(place: &Place, roles: &[&str], settings: &[(&str, &str)], reasons: &[&str]) {
    let before = content(place).await;
    for role in roles {
        let output = run(place, &[role], settings).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{role}: {said}");
        assert!(output.stdout.is_empty(), "{role} printed an address");
        for reason in reasons {
            assert!(said.contains(reason), "{role} must say {reason:?}: {said}");
        }
        assert!(content(place).await == before, "{role} changed a file");
    }
}

/// Every role that uses the inbox.
const ROLES: [&str; 4] = ["all", "ingest", "handler", "scheduler"];

#[tokio::test]
async fn an_inbox_older_than_the_store_is_refused() {
    let _beside = beside_others().await;
    let (place, aside) = (Place::new(Embedded).await, tempfile::tempdir().unwrap());
    let (folder, aside) = (place.folder(), aside.path());
    let settings = with_auth(&BY_HAND);
    played(&place, &["ada"]).await;
    copy(INBOX, folder, aside);
    played(&place, &["grace"]).await;
    let newer = tempfile::tempdir().unwrap();
    carry(INBOX, folder, newer.path());
    carry(INBOX, aside, folder);
    let reason = ["the inbox is older than the store", "migrate --adopt-inbox"];
    assert_refused(&place, &ROLES, &settings, &reason).await;
    // The store knows this inbox, so there is nothing to adopt; the old copy stays rejected.
    let output = run(&place, &["migrate", "--adopt-inbox"], &settings).await;
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(reason[0]), "{output:?}");
    assert_refused(&place, &["all"], &settings, &reason).await;

    carry(INBOX, newer.path(), folder);
    let game = Game::start(&place, "all", &settings).await;
    for player in ["ada", "grace"] {
        assert_eq!(game.player(player, |_| true).await["score"], 1);
    }
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn an_inbox_from_before_its_first_message_is_refused() {
    let _beside = beside_others().await;
    let (place, aside) = (Place::new(Embedded).await, tempfile::tempdir().unwrap());
    let (folder, aside) = (place.folder(), aside.path());
    let settings = with_auth(&BY_HAND);
    let game = Game::start(&place, "all", &settings).await;
    assert!(game.stop().await.success());
    copy(INBOX, folder, aside);
    played(&place, &["ada"]).await;
    carry(INBOX, aside, folder);
    assert_refused(&place, &ROLES, &settings, &["the inbox is older than the store"]).await;
}

#[rstest]
#[tokio::test]
async fn another_inbox_is_refused_until_it_is_adopted(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let mut place = Place::new(stack).await;
    let settings = with_auth(&BY_HAND);
    played(&place, &["ada", "grace"]).await;
    let old = place.change_inbox(None).await;
    // The first start creates a missing inbox.
    let output = run(&place, &["all"], &settings).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_refused(&place, &ROLES, &settings, &["the game belongs to inbox", ", not to"]).await;

    let output = run(&place, &["migrate", "--adopt-inbox"], &settings).await;
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(", generation 2, "), "{output:?}");
    let game = Game::start(&place, "all", &settings).await;
    assert_eq!(game.player("ada", |_| true).await["score"], 1);
    play(&game, &["ada", "edsger"]).await;
    let ada = game.player("ada", |ada| ada["rank"].is_u64()).await;
    assert_eq!((&ada["score"], &ada["streak"], &ada["rank"]), (&3.into(), &2.into(), &1.into()));
    place.drained().await;
    assert!(game.stop().await.success());
    place.assert_verified(&settings).await;
    place.assert_intact().await;
    place.journal().await;

    // The old inbox, if it comes back, is now another game's.
    place.change_inbox(Some(old)).await;
    assert_refused(&place, &ROLES, &settings, &["the game belongs to inbox"]).await;
}

#[tokio::test]
async fn files_of_a_newer_version_are_refused() {
    let _beside = beside_others().await;
    for (file, what) in [
        (INBOX, "the inbox has schema 99"),
        (GAME, "the database has schema 99, this program supports schemas up to"),
    ] {
        let place = Place::new(Embedded).await;
        played(&place, &["ada"]).await;
        let path = place.folder().join(file);
        let mut connection = open(&path).await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
            VALUES (99, 'breaking: of the future', 1, x'00', 0)";
        sqlx::query(newer).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let reasons = [what, path.to_str().unwrap()];
        let roles = if file == GAME {
            &["all", "ingest", "handler", "scheduler", "fetch", "push"][..]
        } else {
            &ROLES
        };
        assert_refused(&place, roles, &with_auth(&BY_HAND), &reasons).await;

        let mut connection = open(&path).await;
        let back = "DELETE FROM _sqlx_migrations WHERE version = 99";
        sqlx::query(back).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
        assert_eq!(game.player("ada", |_| true).await["score"], 1);
        assert!(game.stop().await.success());
    }
}

#[tokio::test]
async fn another_number_of_partitions_is_refused() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let settings = with_auth(&BY_HAND);
    played(&place, &["ada"]).await;
    let four: Vec<_> = settings.iter().copied().chain([("PARTITIONS", "4")]).collect();
    assert_refused(&place, &ROLES, &four, &["the game has 1 partitions, not 4"]).await;
    let game = Game::start(&place, "all", &settings).await;
    assert_eq!(game.player("ada", |_| true).await["score"], 1);
    assert!(game.stop().await.success());
}
