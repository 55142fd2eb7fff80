//! A log that cannot be written, and output that is not read: the game continues, and counts the lines that were
//! dropped.

use std::fs::{self, OpenOptions};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::{BY_HAND, DEADLINE, Game, beside_others, command, eventually, with_auth};

const DROPPED: &str = "buttonparty_log_lines_dropped_total";
/// Number of dropped lines before a test continues.
const SOME: f64 = 20.0;
/// Number of concurrent requests.
const BURST: usize = 200;

/// A file that rejects writes, as on a full disk.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// A new place whose data can be moved away.
fn place() -> (TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::files_in(&folder.path().join("data"));
    (folder, place)
}

async fn until_ready(game: &Game) {
    eventually("it is ready", || async { (game.get("/readyz").await.0 == 200).then_some(()) }).await;
}

/// Makes the game log errors until at least this many lines are dropped.
async fn until_dropped(game: &Game, place: &Place, at_least: f64) {
    until_ready(game).await;
    let aside = place.folder().with_extension("aside");
    fs::rename(place.folder(), &aside).unwrap();
    eventually("lines are dropped", || async {
        let failures = (0..BURST).map(|_| game.get("/readyz"));
        futures_util::future::join_all(failures).await;
        (game.metric(DROPPED).await >= at_least).then_some(())
    })
    .await;
    fs::rename(&aside, place.folder()).unwrap();
    until_ready(game).await;
}

/// Asserts that the game accepts commands and applies them.
async fn assert_goes_on(game: &Game, username: &str) {
    game.add(username).await;
    game.player(username, |player| player["rank"].is_u64()).await;
}

#[tokio::test]
async fn a_log_and_an_output_on_a_full_disk_stop_nothing() {
    let _beside = beside_others().await;
    let (_folder, place) = place();
    let mut command = command(&place, &["all"], &with_auth(&BY_HAND));
    command.stdout(full()).stderr(full());
    let game = Game::start_quiet(command).await;
    until_dropped(&game, &place, SOME).await;
    assert_goes_on(&game, "ada").await;
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn a_log_pipe_that_is_closed_or_not_read_stops_nothing() {
    let _beside = beside_others().await;
    let (_folder, place) = place();
    let mut command = command(&place, &["all"], &with_auth(&BY_HAND));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut game = Game::start_quiet(command).await;
    let mut pipe = game.take_stderr();
    // The pipe is full, then the game's own buffer.
    until_dropped(&game, &place, SOME).await;
    assert_goes_on(&game, "ada").await;

    // When the pipe is read again, logging continues, and a line reports the loss.
    let mut read = Vec::new();
    let told = async {
        while !String::from_utf8_lossy(&read).contains("log lines were dropped") {
            assert!(pipe.read_buf(&mut read).await.unwrap() > 0, "it ended");
        }
    };
    timeout(DEADLINE, told).await.expect("it says that something is missing");
    drop(pipe);
    let dropped = game.metric(DROPPED).await;
    until_dropped(&game, &place, dropped + SOME).await;
    assert_goes_on(&game, "bob").await;
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn a_command_whose_output_is_not_read_ends_quietly() {
    let place = Place::new(Embedded).await;
    for args in [&["config"][..], &["openapi"], &["--help"]] {
        let output = ended(command(&place, args, &[]), closed(), Stdio::piped()).await;
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args:?}: {output:?}");
    }
    // The requested output could not be written: the command fails, and reports that if it can.
    let output = ended(command(&place, &["config"], &[]), full(), Stdio::piped()).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("No space left on device"), "{output:?}");
    for mute in [full(), closed()] {
        let output = ended(command(&place, &["config"], &[]), full(), mute).await;
        assert_eq!(output.status.code(), Some(1));
    }
    let wrong = ended(command(&place, &["all"], &[("LISTEN", "nowhere")]), full(), full()).await;
    assert_eq!(wrong.status.code(), Some(1));

    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    for tool in [&["verify"][..], &["dlq", "list"]] {
        let output = ended(command(&place, tool, &BY_HAND), closed(), full()).await;
        assert_eq!(output.status.code(), Some(0), "{tool:?}");
    }
    assert!(game.stop().await.success());
}

/// Runs a command that ends by itself, with its output to these.
async fn ended(mut command: Command, stdout: Stdio, stderr: Stdio) -> Output {
    let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    timeout(DEADLINE, child.wait_with_output()).await.expect("it ends in time").unwrap()
}
