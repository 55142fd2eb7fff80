//! A full disk or missing write permission, as an unprivileged user: 503 and a clear log line, never a 202 for a lost
//! command; afterwards the game continues. Embedded stack only: servers manage their own disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use reqwest::Method;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::crowd::{Address, Phone, Told, assert_kept, counts, named};
use crate::place::Stack::Embedded;
use crate::place::{GAME, Place};
use crate::support::{
    BY_HAND, DEADLINE, Game, alone, answer, beside_others, binary, command, eventually, with_auth,
};

/// A user without privileges: nobody, by convention.
const NOBODY: u32 = 65_534;
/// Space left for the last commands, in bytes.
const ROOM_BYTES: u64 = 1 << 20;
/// Maximum number of commands to fill the disk.
const COMMANDS_MAX: usize = 20_000;
/// The log text when the inbox rejects everything.
const NOT_TAKEN: &str = "its commands are not durable";

/// A command prefix that switches to the unprivileged user; empty if the test is unprivileged already.
fn unprivileged() -> &'static [&'static str] {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] } else { &[] }
}

/// A world-readable folder with the binary in it, and a folder for data.
struct Home {
    folder: TempDir,
    place: Place,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(binary(), folder.path().join("buttonparty")).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let home = Self { folder, place: Place::files_in(&data) };
        home.give(&data);
        home
    }

    /// Makes the unprivileged user the owner of a file or folder.
    fn give(&self, path: &Path) {
        if !unprivileged().is_empty() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A command of the binary, run without privileges.
    fn command(&self, place: &Place, args: &[&str], settings: &[(&str, &str)]) -> Command {
        let plain = command(place, args, settings);
        let own = self.folder.path().join("buttonparty");
        let mut wrapped = match unprivileged() {
            [] => Command::new(own),
            [program, rest @ ..] => {
                let mut wrapped = Command::new(program);
                wrapped.args(rest).arg(own);
                wrapped
            }
        };
        wrapped.args(plain.as_std().get_args());
        for (name, value) in plain.as_std().get_envs() {
            wrapped.env(name, value.unwrap());
        }
        wrapped.stdin(std::process::Stdio::null()).kill_on_drop(true);
        wrapped
    }

    async fn start(&self, role: &str, settings: &[(&str, &str)]) -> Game {
        // The log is outside the data folder, on a disk with space.
        Game::spawn(self.command(&self.place, &[role], settings), self.folder.path(), role).await
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for file in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let log = file.path();
            if std::thread::panicking() && log.extension().is_some_and(|extension| extension == "log") {
                println!("{}", fs::read_to_string(&log).unwrap_or_default());
            }
        }
    }
}

/// `BY_HAND`, with short leases.
fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("VISIBILITY_MS", "1000")]).collect()
}

/// Sends long adds one after another until one is rejected.
async fn fill(phone: &mut Phone, prefix: &str) {
    let token = "t".repeat(4_000);
    for number in 0..COMMANDS_MAX {
        let username = format!("{prefix}-{number}");
        let add = json!({ "username": username, "token": format!("{token}{username}") });
        match phone.once("add", &add, None).await {
            Told::Taken { .. } => {}
            Told::Unknown(503) => return,
            told => panic!("{told:?}"),
        }
    }
    panic!("{COMMANDS_MAX} commands were taken where there is no room");
}

/// Checks the 503 that a phone gets.
async fn assert_turned_away(game: &Game) {
    let add = json!({ "username": "turned-away", "token": "t".repeat(4_096) });
    let request = game.request(Method::POST, "/add").body(add.to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let retry_after_s: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(retry_after_s >= 1);
    let problem: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["status"], 503, "{problem}");
    assert!(!problem.to_string().contains("sqlite"), "the cause goes to the log only: {problem}");
}

/// Checks that the log has lines about rejected commands, and that each names the cause.
async fn assert_log_says(game: &Game, cause: &str) {
    // A line is written after the response.
    let log = eventually("the log says it", || async {
        let log = fs::read_to_string(&game.log).unwrap();
        // The last line may be incomplete.
        let log = log.rsplit_once('\n').map_or("", |(whole, _)| whole).to_owned();
        log.contains(NOT_TAKEN).then_some(log)
    })
    .await;
    for line in log.lines().filter(|line| line.contains(NOT_TAKEN)) {
        assert!(line.contains(r#""level":"ERROR""#) && line.contains(cause), "{line}");
    }
}

/// Whether a log line contains both.
fn log_says(game: &Game, what: &str, cause: &str) -> bool {
    let log = fs::read_to_string(&game.log).unwrap();
    log.lines().any(|line| line.contains(what) && line.contains(cause))
}

/// After space is free again: the game continues, and accepted commands count.
async fn assert_goes_on(game: Game, place: &Place, mut phone: Phone, settings: &[(&str, &str)]) {
    phone.until_taken("add", &named("afterwards"), None).await;
    game.player("afterwards", |player| player["score"] == 0).await;
    let (status, ready) = eventually("it is ready", || async {
        Some(answer(game.request(Method::GET, "/readyz")).await).filter(|(status, _)| *status == 200)
    })
    .await;
    assert_eq!((status, &ready["ready"]), (200, &true.into()));
    place.drained().await;
    assert!(game.stop().await.success());
    place.assert_verified(settings).await;
    place.assert_intact().await;
    println!("{:?}", counts(&phone.sent));
    assert_kept(&phone.sent, &place.journal().await);
}

/// A small disk in memory; unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with the reason printed, if mounting is not permitted.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                servers::skipped(&format!("cannot mount a tmpfs: {why}"));
                None
            }
            Err(error) => {
                servers::skipped(&format!("cannot run mount: {error}"));
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: a process that is being killed may still have open files there.
        let unmounted = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[rstest]
#[tokio::test]
async fn a_full_disk_is_answered_with_503_until_there_is_room(#[values("beside it", "on it")] log: &str) {
    let _alone = alone().await;
    let home = Home::new();
    let Some(disk) = SmallDisk::mount(home.place.folder(), "24m") else { return };
    home.give(&disk.0);
    let settings = settings();
    let log_on_it = log == "on it";
    let logs = if log_on_it { home.place.folder() } else { home.folder.path() };
    let game = Game::spawn(home.command(&home.place, &["all"], &settings), logs, "all").await;
    let mut phone = Address::new(&game.url).phone();
    phone.until_taken("add", &named("before"), None).await;
    game.player("before", |player| player["score"] == 0).await;

    let ballast = home.place.folder().join("ballast");
    let full = fs::write(&ballast, vec![1; 64 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let ballast_bytes = fs::metadata(&ballast).unwrap().len();
    fs::OpenOptions::new().write(true).open(&ballast).unwrap().set_len(ballast_bytes - ROOM_BYTES).unwrap();
    fill(&mut phone, "full").await;
    if log_on_it {
        // Each line finds no space and is dropped.
        eventually("lines are dropped", || async {
            assert_turned_away(&game).await;
            (game.metric("buttonparty_log_lines_dropped_total").await >= 5.0).then_some(())
        })
        .await;
    } else {
        assert_turned_away(&game).await;
        assert_log_says(&game, "full").await;
    }
    assert_eq!(game.get("/fetch/self?username=before").await.0, 200, "reads go on");

    fs::remove_file(&ballast).unwrap();
    let log = game.log.clone();
    assert_goes_on(game, &home.place, phone, &settings).await;
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("stopping"), "{log}");
    assert_eq!(log.contains("log lines were dropped"), log_on_it, "{log}");
}

#[tokio::test]
async fn files_that_may_not_grow_are_answered_with_503_until_they_may() {
    let _alone = alone().await;
    let home = Home::new();
    let settings = settings();
    let game = home.start("all", &settings).await;
    let mut phone = Address::new(&game.url).phone();
    phone.until_taken("add", &named("before"), None).await;
    game.player("before", |player| player["score"] == 0).await;

    let largest =
        fs::read_dir(home.place.folder()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).max();
    limit_files(&game, &(largest.unwrap() + ROOM_BYTES).to_string());
    fill(&mut phone, "limited").await;
    assert_turned_away(&game).await;
    assert_log_says(&game, "disk I/O error").await;
    assert_eq!(game.get("/fetch/self?username=before").await.0, 200, "reads go on");

    limit_files(&game, "unlimited");
    assert_goes_on(game, &home.place, phone, &settings).await;
}

#[tokio::test]
async fn a_full_disk_of_the_store_holds_up_what_was_taken_and_loses_none_of_it() {
    let _alone = alone().await;
    let home = Home::new();
    let below = home.folder.path().join("store");
    fs::create_dir(&below).unwrap();
    let Some(disk) = SmallDisk::mount(&below, "8m") else { return };
    home.give(&disk.0);
    let store = disk.0.join(GAME);
    let address = format!("sqlite:{}", store.display());
    let settings: Vec<_> = settings().into_iter().chain([("STORE_URL", address.as_str())]).collect();
    // Test helpers look for the store in the data folder.
    std::os::unix::fs::symlink(&store, home.place.folder().join(GAME)).unwrap();
    let game = home.start("all", &settings).await;
    let mut phone = Address::new(&game.url).phone();
    phone.until_taken("add", &named("before"), None).await;
    game.player("before", |player| player["score"] == 0).await;

    let ballast = disk.0.join("ballast");
    assert_eq!(fs::write(&ballast, vec![1; 16 << 20]).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let mut number = 0;
    let held_up = async {
        while !log_says(&game, "handler step failed, retrying", "full") {
            number += 1;
            let told = phone.once("add", &named(&format!("waiting-{number}")), None).await;
            assert!(matches!(told, Told::Taken { .. }), "the inbox has room: {told:?}");
        }
    };
    tokio::time::timeout(DEADLINE, held_up).await.expect("the store's disk is full");

    fs::remove_file(&ballast).unwrap();
    game.player(&format!("waiting-{number}"), |player| player["score"] == 0).await;
    assert_goes_on(game, &home.place, phone, &settings).await;
}

/// Sets the process's limit of file size, in bytes.
fn limit_files(game: &Game, bytes: &str) {
    // Run as the same user: root in a container may not change other users' limits.
    let (pid, limit) = (game.pid().to_string(), format!("--fsize={bytes}:"));
    let line = [unprivileged(), &["prlimit", "--pid", &pid, &limit]].concat();
    let status = std::process::Command::new(line[0]).args(&line[1..]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn an_inbox_that_has_used_its_room_is_answered_with_503_until_it_is_emptied() {
    let _alone = alone().await;
    let place = Place::new(Embedded).await;
    let settings: Vec<_> = settings().into_iter().chain([("INBOX_BYTES_MAX", "1048576")]).collect();
    let ingest = Game::start(&place, "ingest", &settings).await;
    let mut phone = Address::new(&ingest.url).phone();
    fill(&mut phone, "inbox").await;
    assert_turned_away(&ingest).await;
    assert_log_says(&ingest, "the inbox is full").await;

    let handler = Game::start(&place, "handler", &settings).await;
    phone.until_taken("add", &named("afterwards"), None).await;
    place.drained().await;
    assert!(ingest.stop().await.success() && handler.stop().await.success());
    place.assert_verified(&settings).await;
    assert_kept(&phone.sent, &place.journal().await);
}

/// Checks that a failing start prints the reason on standard error, and nothing on standard output.
async fn assert_refused(home: &Home, place: &Place, role: &str, reasons: &[&str]) {
    let output = home.command(place, &[role], &settings()).output();
    let output = tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    for reason in reasons {
        assert!(said.contains(reason), "{role} must name {reason:?}: {said}");
    }
}

#[tokio::test]
async fn a_folder_without_the_right_to_write_is_refused_at_start() {
    let _beside = beside_others().await;
    let home = Home::new();
    let locked = home.folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    home.give(&locked);
    fs::set_permissions(&locked, Permissions::from_mode(0o555)).unwrap();
    for role in ["all", "ingest", "handler", "scheduler"] {
        assert_refused(
            &home,
            &Place::files_in(&locked),
            role,
            &["cannot open the store", locked.to_str().unwrap()],
        )
        .await;
        let below = locked.join("data");
        assert_refused(
            &home,
            &Place::files_in(&below),
            role,
            &["cannot use the data folder", below.to_str().unwrap()],
        )
        .await;
    }
    assert_eq!(fs::read_dir(&locked).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn a_game_whose_files_are_locked_meanwhile_loses_nothing() {
    let _beside = beside_others().await;
    let home = Home::new();
    let settings = settings();
    let game = home.start("all", &settings).await;
    let mut phone = Address::new(&game.url).phone();
    phone.until_taken("add", &named("before"), None).await;
    let chmod = |file_mode, folder_mode| {
        for file in fs::read_dir(home.place.folder()).unwrap() {
            fs::set_permissions(file.unwrap().path(), Permissions::from_mode(file_mode)).unwrap();
        }
        fs::set_permissions(home.place.folder(), Permissions::from_mode(folder_mode)).unwrap();
    };
    chmod(0o444, 0o555);
    // Its files are open: it may continue or reject commands, but not lose accepted ones.
    for number in 0..20 {
        phone.once("add", &named(&format!("locked-{number}")), None).await;
    }
    assert!(game.stop().await.success());
    assert_refused(&home, &home.place, "all", &["cannot use the inbox", "readonly"]).await;

    chmod(0o644, 0o755);
    let game = home.start("all", &settings).await;
    let address = Address::new(&game.url);
    let mut after = address.phone();
    after.sent = phone.sent;
    assert_goes_on(game, &home.place, after, &settings).await;
}
