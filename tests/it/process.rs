//! The process itself: its command line, its configuration, how it starts and how it stops.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use server::config::SETTINGS;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, DEADLINE, Game, alone, beside_others, command, eventually, run, with_auth};

// Tests of the command line start no game, and are run on the embedded stack only.

/// A text with every run of white space as one space: help is wrapped to the terminal's width.
fn unwrapped(text: &[u8]) -> String {
    String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn help_explains_every_setting_and_every_role() {
    let place = Place::new(Embedded).await;
    for args in [&["--help"][..], &["ingest", "--help"], &["dlq", "redrive", "--help"]] {
        let output = run(&place, args, &[]).await;
        assert!(output.status.success(), "{output:?}");
        let help = unwrapped(&output.stdout);
        for setting in SETTINGS {
            let (flag, variable, meaning) = (setting.flag(), setting.variable(), setting.meaning);
            for part in [&format!("--{flag} <VALUE>"), &variable, meaning, setting.unit] {
                assert!(help.contains(part), "{args:?} does not explain {variable}: {part}");
            }
        }
    }
    let help = unwrapped(&run(&place, &["--help"], &[]).await.stdout);
    let commands = [
        "dev",
        "all",
        "ingest",
        "handler",
        "scheduler",
        "fetch",
        "push",
        "migrate",
        "dlq",
        "round",
        "verify",
        "config",
    ];
    for name in commands {
        assert!(help.contains(&format!(" {name} ")), "{name} is missing: {help}");
    }
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "help leaves nothing behind");
}

#[tokio::test]
async fn config_shows_every_setting_and_masks_secrets() {
    let place = Place::new(Embedded).await;
    for (role, window_ms, auth, token) in
        [("all", "100000", "(none)", "(none)"), ("dev", "8000", "open", "********")]
    {
        let output =
            run(&place, &["config", role, "--log", "warn"], &[("LOG", "error"), ("GRACE_MS", "1234")]).await;
        assert!(output.status.success(), "{output:?}");
        let shown = String::from_utf8(output.stdout).unwrap();
        for setting in SETTINGS {
            let (unit, meaning) = (setting.unit, setting.meaning);
            let default = match setting.default_for(role == "dev") {
                Some(_) if setting.secret => "********",
                default => default.unwrap_or("(none)"),
            };
            let value = match setting.name {
                "LISTEN" => "127.0.0.1:0",
                "DATA" => place.folder().to_str().unwrap(),
                "LOG" => "warn", // the flag wins over the environment
                "GRACE_MS" => "1234",
                _ => default,
            };
            let block = format!(
                "{} = {value}\n    {meaning}\n    unit: {unit}; default: {default}\n",
                setting.variable()
            );
            assert!(shown.contains(&block), "{role}: {block} is not in\n{shown}");
        }
        for (name, value) in [("WINDOW_MS", window_ms), ("AUTH", auth), ("OPERATOR_TOKEN", token)] {
            assert!(shown.contains(&format!("BUTTONPARTY_{name} = {value}\n")), "{role} {name}: {shown}");
        }
    }
    let output = run(&place, &["config"], &[("OPERATOR_TOKEN", "very-secret")]).await;
    let shown = format!("{output:?}");
    assert!(
        shown.contains("BUTTONPARTY_OPERATOR_TOKEN = ********") && !shown.contains("very-secret"),
        "{shown}"
    );
}

/// Starts a role that must refuse its configuration; returns what it says.
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
        ("LISTEN", "nowhere", "must be an address and a port"),
        ("QUEUE_URL", "sqs:queue.fifo", "must be `embedded`, `sqlite:PATH` or `sqs:` and the"),
        ("STORE_URL", "mysql://db.example/game", "must be `embedded`, `sqlite:PATH` or `postgres://"),
        ("BOARD_URL", "redis", "must be `in process`, `redis://HOST/NUMBER` or `rediss://HOST`"),
        ("PARTITIONS", "0", "must be a whole number from 1 to 1024"),
        ("WINDOW_MS", "soon", "must be a whole number from 1"),
        ("GRACE_MS", "-1", "must be a whole number from 0"),
        ("ROUND_GAP_MS", "1.5", "must be a whole number from 1"),
        ("ROUND_ODDS", "4294967296", "must be a whole number from 0 to 4294967295"),
        ("ROUND_LEAD_MS", "99", "must be a whole number from 100"),
        ("FIRST_ROUND_MS", "x", "must be a whole number from 0"),
        ("OPERATOR_TOKEN", "two words", "must be 1 to 256 visible ASCII characters"),
        ("CORS_ORIGINS", "https://game.example/path", "without a path"),
        ("VISIBILITY_MS", "999", "must be a whole number from 1000"),
        ("ENVELOPE_BYTES_MAX", "1", "must be a whole number from 32768"),
        ("INBOX_BYTES_MAX", "", "must be a whole number from 1048576"),
        ("PUSH_SINK", "fax", "must be log or record"),
        ("LOG_FORMAT", "xml", "must be json or text"),
    ];
    let settings: Vec<_> = wrong.iter().map(|(name, value, _)| (*name, *value)).collect();
    for role in ["all", "ingest"] {
        let told = refused(role, &settings).await;
        // The choice of AUTH is missing too.
        assert!(told.contains(&format!("the configuration has {} mistake(s):", wrong.len() + 1)), "{told}");
        assert!(told.contains("BUTTONPARTY_AUTH: must be chosen"), "{told}");
        for (name, value, reason) in wrong {
            let shown = if name == "OPERATOR_TOKEN" { "********" } else { value };
            let line = told.lines().find(|line| line.contains(&format!("BUTTONPARTY_{name}={shown}: ")));
            assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {told}");
        }
        assert!(!told.contains("two words"), "{told}");
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
                    && told.contains("not in this version"),
                "{told}"
            );
        }
        assert!(refused(role, &[("AUTH", "yes")]).await.contains("BUTTONPARTY_AUTH=yes: must be `open`"));
    }
    // 5 × (window + grace) is 50 000 ms: a gap of so much is too short by one.
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

    // A port that is taken is refused by name.
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
    // The first request is answered: so the server has the connection, and waits for the second one's body.
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

/// Adds players one after the other until the server is gone; returns those that got a 202.
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
    // Who got no answer may or may not be there: at most one request of each worker and turn.
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
