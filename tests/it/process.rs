//! The process: its command line, its configuration, its start and its stop.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use insta::assert_snapshot;
use reqwest::Method;
use rstest::rstest;
use server::config::{Config, Role, settings};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, DEADLINE, Game, alone, beside_others, command, eventually, run, with_auth};

// Tests of the command line start no game, and are run on the embedded stack only.

#[tokio::test]
async fn help_explains_every_setting() {
    let place = Place::new(Embedded).await;
    for args in [&["--help"][..], &["ingest", "--help"], &["dlq", "redrive", "--help"]] {
        let output = run(&place, args, &[]).await;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let help = String::from_utf8(output.stdout).unwrap();
        for setting in settings() {
            let (flag, variable) = (format!("--{} <VALUE>", setting.flag()), setting.variable());
            assert!(help.contains(&flag) && help.contains(&variable), "{args:?} does not explain {variable}");
        }
    }
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "help leaves nothing behind");
}

#[tokio::test]
async fn config_shows_every_setting_and_masks_secrets() {
    let place = Place::new(Embedded).await;
    let given = [("LOG", "error"), ("GRACE_MS", "1234"), ("OPERATOR_TOKEN", "very-secret")];
    let mut environment: BTreeMap<_, _> = place.environment("config").into_iter().collect();
    environment.insert("BUTTONPARTY_LISTEN", "127.0.0.1:0".to_owned());
    // A flag may be before or after the command, and overrides the environment.
    for (role, args) in [
        (Role::Tool, &["config", "--log", "warn"][..]),
        (Role::Tool, &["config", "all", "--log", "warn"][..]),
        (Role::Dev, &["--log", "warn", "config", "dev"][..]),
    ] {
        let output = run(&place, args, &given).await;
        assert!(output.status.success(), "{output:?}");
        let config = Config::parse(role, |setting| match setting.name {
            "LOG" => Some("warn".to_owned()),
            name => given
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(_, text)| (*text).to_owned())
                .or_else(|| environment.get(setting.variable().as_str()).cloned()),
        });
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown, config.unwrap().table(), "{args:?}");
        let masked =
            shown.contains("BUTTONPARTY_OPERATOR_TOKEN = ********\n") && !shown.contains("very-secret");
        assert!(masked, "{args:?}: {shown}");
    }
}

/// Starts a role that must reject its configuration; returns the error text.
async fn refused(role: &str, settings: &[(&str, &str)]) -> String {
    let place = Place::new(Embedded).await;
    let output = run(&place, &[role], settings).await;
    assert_eq!(output.status.code(), Some(1), "{role} {settings:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "it has touched the data");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn every_mistake_is_reported_by_name_at_once() {
    let wrong = [
        ("LISTEN", "nowhere"),
        ("QUEUE_URL", "sqs:queue.fifo"),
        ("STORE_URL", "mysql://db.example/game"),
        ("BOARD_URL", "redis"),
        ("PARTITIONS", "0"),
        ("WINDOW_MS", "soon"),
        ("GRACE_MS", "-1"),
        ("ROUND_GAP_MS", "1.5"),
        ("ROUND_ODDS", "4294967296"),
        ("ROUND_LEAD_MS", "99"),
        ("FIRST_ROUND_MS", "x"),
        ("OPERATOR_TOKEN", "two words"),
        ("CORS_ORIGINS", "https://game.example/path"),
        ("VISIBILITY_MS", "999"),
        ("ENVELOPE_BYTES_MAX", "1"),
        ("INBOX_BYTES_MAX", ""),
        ("PUSH_SINK", "fax"),
        ("LOG_FORMAT", "xml"),
        ("MISSPELT", "x"),
    ];
    for role in ["all", "ingest"] {
        let told = refused(role, &wrong).await;
        assert!(!told.contains("two words"), "{told}");
        // AUTH is missing too.
        assert_snapshot!("every_mistake", told);
    }
}

#[tokio::test]
async fn what_this_version_cannot_do_is_refused_with_the_reason() {
    for role in ["all", "ingest"] {
        assert!(refused(role, &[]).await.contains("BUTTONPARTY_AUTH: must be chosen"));
        for auth in ["firebase", "google"] {
            let told = refused(role, &[("AUTH", auth)]).await;
            assert!(
                told.contains(&format!("BUTTONPARTY_AUTH={auth}: must be `open`"))
                    && told.contains("sign-in is not supported yet"),
                "{told}"
            );
        }
        assert!(refused(role, &[("AUTH", "yes")]).await.contains("BUTTONPARTY_AUTH=yes: must be `open`"));
    }
    // 5 × (window + grace) is 50 000 ms: a gap of this length is too short by one.
    let lit = [("AUTH", "open"), ("WINDOW_MS", "9000"), ("GRACE_MS", "1000"), ("ROUND_GAP_MS", "50000")];
    for role in ["all", "dev", "scheduler", "config"] {
        let told = refused(role, &lit).await;
        assert!(told.contains("BUTTONPARTY_ROUND_GAP_MS=50000: two rounds could be lit at once"), "{told}");
        assert!(told.contains("50000 ms and must be more than 5 × (window + grace) = 50000 ms"), "{told}");
    }
    assert!(refused("all", &[("AUTH", "open"), ("LOG", "no=such=filter")]).await.contains("BUTTONPARTY_LOG"));
}

#[rstest]
#[tokio::test]
async fn the_first_line_says_where_it_listens(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let mut child =
        command(&place, &["all", "--listen", "127.0.0.1:0"], &with_auth(&[("LISTEN", "127.0.0.1:1")]));
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let address =
        first.strip_prefix("ButtonParty is listening on http://").unwrap_or_else(|| panic!("{first}"));
    let port: u16 = address.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!(port > 1);
    TcpStream::connect(address).await.unwrap();

    // The error names a port that is in use.
    let other = Place::new(stack).await;
    let output = run(&other, &["all"], &with_auth(&[("LISTEN", address)])).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && told.contains(&format!("cannot listen on {address}")),
        "{told}"
    );
    child.kill().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn another_number_of_partitions_is_refused(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(stack).await;
    game.add("ada").await;
    for role in ["all", "ingest", "handler", "scheduler", "fetch"] {
        // Also while it runs.
        let output = run(&place, &[role], &with_auth(&[("PARTITIONS", "2")])).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && told.contains("partitions"), "{role}: {told}");
    }
    game.player("ada", |_| true).await;
    assert!(game.stop().await.success());
}

/// Opens a connection and begins a request that never ends.
async fn hang(game: &Game) -> TcpStream {
    let mut stream = TcpStream::connect(game.url.trim_start_matches("http://")).await.unwrap();
    // The first response proves that the server has the connection; it now waits for the body of the second request.
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nPOST /press HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

async fn logged(game: &Game, text: &str) {
    let log = || async { std::fs::read_to_string(&game.log).unwrap().contains(text).then_some(()) };
    eventually(&format!("the log says {text}"), log).await;
}

#[rstest]
#[tokio::test]
async fn a_stop_cuts_hanging_connections_off_and_a_second_signal_is_hard(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let (_other_place, impatient) = Game::by_hand(stack).await;
    let _hanging = (hang(&game).await, hang(&impatient).await);
    let watch = engine::clock::Stopwatch::start();
    let patient = async {
        let log = game.log.clone();
        let status = timeout(Duration::from_secs(10), game.stop()).await.expect("it stops within 10 s");
        assert!(status.success(), "{status}");
        assert!(std::fs::read_to_string(log).unwrap().contains("some connections were cut off"));
    };
    let hard = async {
        impatient.signal("TERM");
        logged(&impatient, "stopping").await;
        impatient.signal("INT");
        assert_eq!(impatient.wait().await.code(), Some(130));
        assert!(watch.seconds() < 8.0, "the second signal was not heeded: {} s", watch.seconds());
    };
    tokio::join!(patient, hard);
}

#[rstest]
#[tokio::test]
async fn an_interrupt_stops_it_gracefully(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    for role in ["dev", "all", "ingest", "handler", "scheduler", "fetch", "push"] {
        let place = Place::new(stack).await;
        let settings = if role == "dev" { Vec::new() } else { with_auth(&BY_HAND) };
        let game = Game::start(&place, role, &settings).await;
        assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
        game.signal("INT");
        let status = timeout(Duration::from_secs(10), game.wait()).await.expect("it stops within 10 s");
        assert_eq!(status.code(), Some(0), "{role}");
    }
}

/// Adds players one after another until the server is gone; returns those with a 202.
async fn join_until_gone(game: &Game, worker: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in 0.. {
        let username = format!("player-{worker}-{number}");
        let body = format!("{{\"username\":\"{username}\"}}");
        match game.request(Method::POST, "/add").body(body).send().await {
            Ok(response) if response.status() == 202 => accepted.push(username),
            Ok(response) => assert_eq!(response.status(), 503, "{username}"),
            Err(_) => break,
        }
    }
    accepted
}

#[rstest]
#[tokio::test]
async fn a_graceful_stop_under_load_keeps_every_202(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let place = Place::new(stack).await;
    let mut accepted = BTreeSet::new();
    for turn in 0..3 {
        let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
        let load =
            futures_util::future::join_all((0..32).map(|worker| join_until_gone(&game, 100 * turn + worker)));
        let stop = async {
            eventually("it is busy", || async {
                (game.metric("buttonparty_requests_accepted_total").await > 300.0).then_some(())
            })
            .await;
            game.signal("TERM");
        };
        let (taken, ()) = tokio::join!(load, stop);
        let status = timeout(Duration::from_secs(10), game.wait()).await.expect("it stops within 10 s");
        assert_eq!(status.code(), Some(0));
        accepted.extend(taken.into_iter().flatten());
    }
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    place.emptied().await;
    let reader = place.store().reader().await.unwrap();
    let (_, standings) = reader.standings(0).await.unwrap();
    reader.close().await;
    let known: BTreeSet<_> = standings.iter().map(|standing| standing.username.as_str().to_owned()).collect();
    let lost: Vec<_> = accepted.difference(&known).collect();
    assert!(accepted.len() > 900 && lost.is_empty(), "{} accepted, lost: {lost:?}", accepted.len());
    // A player whose add got no answer may exist or not: at most one request of each worker in each turn.
    assert!(known.len() - accepted.len() <= 3 * 32, "{} of {}", accepted.len(), known.len());
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn tools_do_nothing_where_there_is_no_game() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let place = Place::files_in(&nowhere);
    for tool in [&["verify"][..], &["dlq", "list"], &["dlq", "redrive"], &["round", "open"]] {
        let output = run(&place, tool, &with_auth(&BY_HAND)).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("nowhere"), "{tool:?}: {told}");
        assert!(!nowhere.exists(), "{tool:?} made the folder");
    }
}

#[rstest]
#[tokio::test]
async fn a_round_is_not_opened_in_the_past_or_in_an_age(#[values(Embedded, Services)] stack: Stack) {
    let (place, game) = Game::by_hand(stack).await;
    for lead in ["-6000", "0", "99", "3600001", "8000000000000000"] {
        let output = run(&place, &["round", "open", &format!("--lead-ms={lead}")], &BY_HAND).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains("lead_ms: must be from 100 to 3600000"),
            "{lead}: {told}"
        );
    }
    for lead in ["+2000", "-+2000", "2000.0", "soon"] {
        let output = run(&place, &["round", "open", &format!("--lead-ms={lead}")], &BY_HAND).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("must be a whole number"), "{lead}: {told}");
    }
    let round = game.open_round().await;
    assert_eq!(round["round"], 1, "nothing was announced before");
}
