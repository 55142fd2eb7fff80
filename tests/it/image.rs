//! The container image: its Dockerfile matches the code, and the binary runs as in the image, as an unprivileged user
//! on a read-only file system.

mod cell;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use server::config::settings;
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::Services;
use crate::support::{BY_HAND, Game, beside_others, binary, eventually, tool, with_auth};
use cell::{Cell, Running};

/// How long an orchestrator waits after SIGTERM before it kills.
const STOP: Duration = Duration::from_secs(10);
/// Error texts of a write to a read-only file system.
const READ_ONLY: [&str; 2] = ["Read-only file system", "os error 30"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

/// The instructions of the Dockerfile, each joined to one line.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Arguments of the last instruction with this name.
fn last(name: &str) -> String {
    let all = instructions();
    let found = all.iter().rev().find_map(|line| line.strip_prefix(&format!("{name} ")));
    found.unwrap_or_else(|| panic!("no {name}: {all:?}")).to_owned()
}

#[tokio::test]
async fn hadolint_finds_nothing() {
    let output =
        tokio::process::Command::new(tool("hadolint")).arg(root().join("Dockerfile")).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.is_empty(), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_dockerfile_says_what_the_code_says() {
    let setting = |name: &str| settings().find(|setting| setting.name == name).unwrap();
    let port = setting("LISTEN").default.unwrap().rsplit(':').next().unwrap();
    assert_eq!(last("EXPOSE"), port);
    let env = last("ENV");
    let given: Vec<_> = env.split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
    let names: Vec<_> = given.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        names,
        ["LISTEN", "DATA"].map(|name| setting(name).variable()),
        "only settings that there are"
    );
    assert_eq!(given[0].1, format!("0.0.0.0:{port}"));
    let data = given[1].1;
    assert_eq!(last("VOLUME"), format!("[\"{data}\"]"));

    let program = format!("/usr/local/bin/{}", binary().file_name().unwrap().display());
    assert_eq!(last("ENTRYPOINT"), format!("[\"{program}\"]"));
    let role = last("CMD").trim_matches(['[', ']', '"']).to_owned();
    assert!(server::cli::command().find_subcommand(&role).is_some(), "{role} is no command");
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    let (user, group) = last("USER").split_once(':').map(|(u, g)| (u.to_owned(), g.to_owned())).unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0, "a number, and not root");

    let all = instructions();
    assert!(all.contains(&format!("COPY --from=build {program} {program}")), "{all:?}");
    assert!(all.contains(&format!("COPY --from=build --chown={user}:{group} /data {data}")), "{all:?}");
    let build = all.iter().find(|line| line.starts_with("RUN ")).unwrap();
    assert!(build.contains("cargo build --profile ship --locked -p server "), "{build}");
    let manifest = read("Cargo.toml");
    assert!(manifest.contains("[profile.ship]"), "{manifest}");

    // The image uses the project's toolchain, which is not older than the workspace's minimum.
    let channel = read("rust-toolchain.toml");
    let channel =
        channel.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    let image = all.iter().find_map(|line| line.strip_prefix("FROM rust:")).unwrap();
    assert!(image.starts_with(&format!("{channel}-")), "{image}, {channel}");
    let needed = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let parts = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert!(parts(channel) >= parts(needed.unwrap()), "{channel}, {needed:?}");
    // The build context contains all members of the workspace: cargo needs each of them.
    let sent = read(".dockerignore");
    for file in ["Cargo.toml", "Cargo.lock", "crates", "tests", "benches"] {
        assert!(sent.lines().any(|line| line == format!("!{file}")), "{file} is left out");
    }
}

fn log_of(game: &Game) -> String {
    std::fs::read_to_string(&game.log).unwrap()
}

/// Sends SIGTERM, and checks that the process exits with success in time.
async fn stops(running: Running) {
    running.terminate();
    let status = timeout(STOP, running.game.wait()).await.expect("it stops in time");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn all_of_the_game_runs_as_nobody_and_writes_only_its_data() {
    let _beside = beside_others().await;
    let cell = match Cell::new().await {
        Ok(cell) => cell,
        Err(why) => return servers::skipped(&why.to_string()),
    };
    let mut environment: Vec<_> = with_auth(&BY_HAND).into_iter().map(own).collect();
    environment.push(("BUTTONPARTY_DATA".to_owned(), cell::DATA.to_owned()));
    let running = cell.start("all", &environment, true).await;
    running.is_nobody();
    let game = &running.game;
    game.add("ada").await;
    game.open_round().await;
    let ada = game.press_and_see("ada").await;
    assert_eq!((&ada["last_press"]["outcome"], &ada["rank"]), (&"counted".into(), &1.into()), "{ada}");
    assert_eq!(game.get("/readyz").await.0, 200);
    let data = cell.data();
    for file in ["inbox.sqlite", "game.sqlite"] {
        assert!(data.join(file).exists(), "{file} is not in {}", data.display());
    }
    let log = log_of(game);
    assert!(log.contains("listening") && READ_ONLY.iter().all(|told| !log.contains(told)), "{log}");
    stops(running).await;

    // Only the data folder is writable: with another folder the process cannot even start.
    environment.last_mut().unwrap().1 = "/srv/elsewhere".to_owned();
    let output = cell.command("all", &environment, true).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && READ_ONLY.iter().any(|part| told.contains(part)), "{told}");
}

#[tokio::test]
async fn a_role_with_services_writes_nothing_at_all() {
    let _beside = beside_others().await;
    let cell = match Cell::new().await {
        Ok(cell) => cell,
        Err(why) => return servers::skipped(&why.to_string()),
    };
    let place = Place::new(Services).await;
    place.prepare("handler", &BY_HAND).await;
    let settings = BY_HAND.iter().copied().map(own);
    let environment: Vec<_> = place
        .environment("handler")
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(settings)
        .collect();
    let handler = cell.start("handler", &environment, false).await;
    handler.is_nobody();
    let ingest = Game::start(&place, "ingest", &with_auth(&BY_HAND)).await;
    let _scheduler = Game::start(&place, "scheduler", &BY_HAND).await;
    let fetch = Game::start(&place, "fetch", &BY_HAND).await;
    ingest.add("ada").await;
    ingest.open_round().await;
    let pressed = ingest.press("ada").await;
    let ada = fetch.player("ada", |ada| ada["last_press"]["arrived_at"] == pressed["arrived_at"]).await;
    assert_eq!(ada["last_press"]["outcome"], "counted", "{ada}");
    let ready = async || {
        let answer = handler.game.request(Method::GET, "/readyz").send().await.unwrap();
        (answer.status() == 200).then_some(())
    };
    eventually("the handler is ready", ready).await;
    let log = log_of(&handler.game);
    assert!(log.contains("listening") && READ_ONLY.iter().all(|told| !log.contains(told)), "{log}");
    stops(handler).await;
}

/// A setting as an environment variable.
fn own((name, value): (&str, &str)) -> (String, String) {
    (format!("BUTTONPARTY_{name}"), value.to_owned())
}
