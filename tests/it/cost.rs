//! `buttonparty cost`: the command, and what it takes from a game that runs.

use futures_util::future::join_all;
use serde_json::{Value, json};
use server::cost::inputs::Inputs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::{Game, beside_others, run, with_auth};

async fn costs(place: &Place, args: &[&str]) -> Value {
    let args: Vec<_> = ["cost", "--json"].into_iter().chain(args.iter().copied()).collect();
    let output = run(place, &args, &[]).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_cost_is_shown_as_a_table_and_as_json() {
    let place = Place::new(Embedded).await;
    let output = run(&place, &["cost"], &[]).await;
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    for part in
        ["us-east-1", "HTTP front", "interface endpoints", "packed is cheaper from", "check before you"]
    {
        assert!(table.contains(part), "{part} is missing: {table}");
    }
    let told = costs(&place, &[]).await;
    let lines = told["per_million_presses"].as_array().unwrap();
    let sum: f64 = lines.iter().map(|line| line["packed_usd"].as_f64().unwrap()).sum();
    let total = told["per_million_presses_total"]["packed_usd"].as_f64().unwrap();
    assert!((sum - total).abs() < 1e-9, "{told}");
    assert_eq!(told["measured"], json!(false));
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "it leaves nothing behind");

    let other = costs(&place, &["--players", "1e7", "--partitions", "4", "--tls"]).await;
    let inputs = ["players", "partitions", "tls"].map(|name| other["inputs"][name].clone());
    assert_eq!(inputs, [json!(1e7), json!(4.0), json!(1.0)], "{other}");
}

#[tokio::test]
async fn other_prices_may_be_given() {
    let place = Place::new(Embedded).await;
    let file = place.folder().join("prices.json");
    let mut prices: Value =
        serde_json::from_str(include_str!("../../crates/server/src/cost/prices.json")).unwrap();
    prices["region"] = "mars-north-1".into();
    prices["http_api_request_million"]["usd"] = 7.into();
    std::fs::write(&file, prices.to_string()).unwrap();
    let told = costs(&place, &["--prices", file.to_str().unwrap()]).await;
    assert_eq!(told["region"], "mars-north-1");
    assert_eq!(told["per_million_presses"][0]["each_usd"], json!(7.0), "{told}");
}

#[tokio::test]
async fn a_running_game_says_how_its_presses_are_packed() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "all", &with_auth(&[])).await;
    let metrics = format!("{}/metrics", game.url);
    let output = run(&place, &["cost", "--metrics", &metrics], &[]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("not taken a press yet"), "{told}");

    const PRESSES: usize = 64;
    join_all((0..PRESSES).map(|player| {
        let game = &game;
        async move { game.press(&format!("player-{player:07}")).await }
    }))
    .await;
    // The page of metrics is made anew a moment later; what it counts is also what the test reads from it.
    let sends = crate::support::eventually("the presses are counted", || async {
        let counted = game.metric("buttonparty_envelope_commands_size_sum").await;
        let sends = game.metric("buttonparty_send_envelopes_size_count").await;
        (counted == PRESSES as f64).then_some(sends)
    })
    .await;
    let told = costs(&place, &["--metrics", &metrics]).await;
    let near = |name: &str, found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-6 * expected, "{name}: {found}, not {expected}: {told}");
    };
    assert_eq!(told["measured"], json!(true));
    near("a send", &told["packing"]["presses_per_send"], PRESSES as f64 / sends);
    let bytes = game.metric("buttonparty_envelope_bytes_total").await;
    let envelopes = game.metric("buttonparty_envelope_commands_size_count").await;
    assert!(bytes > PRESSES as f64 * 60.0 && envelopes >= 1.0, "{bytes} bytes in {envelopes} envelopes");

    // A file is as good as an address, and two processes are counted together.
    let file = place.folder().join("metrics.txt");
    std::fs::write(&file, game.metrics().await).unwrap();
    let both = costs(&place, &["--metrics", &metrics, file.to_str().unwrap()]).await;
    assert_eq!(both["packing"], told["packing"], "twice the same is packed the same");
    assert!(game.stop().await.success());
}

/// What is said about arguments that are wrong.
async fn wrong(place: &Place, args: &[&str]) -> String {
    let args: Vec<_> = ["cost"].into_iter().chain(args.iter().copied()).collect();
    let output = run(place, &args, &[]).await;
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn what_is_wrong_is_told_by_the_name_of_its_flag() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "all", &with_auth(&[])).await;
    let path = |name: &str, text: &str| {
        let path = place.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (no_prices, no_metrics) = (path("prices", "{\"region\":1}"), path("metrics", "up 1\n"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (nobody, elsewhere) = (format!("http://{free}/metrics"), format!("{}/nothing", game.url));
    let gone = place.folder().join("gone").to_str().unwrap().to_owned();
    for (args, expected) in [
        (["--players", "many"], ["'many' for '--players", "a number from 1"]),
        (["--players", "-5"], ["'-5' for '--players", "a number from 1"]),
        (["--share-that-presses", "1.5"], ["--share-that-presses", "from 0 to 1 (part of 1)"]),
        (["--linger-ms", "NaN"], ["--linger-ms", "milliseconds"]),
        (["--partitions", "0"], ["--partitions 0", "1 to 1024"]),
        (["--ingest-node", "2"], ["--ingest-node", "--ingest-nodes"]),
        (["--prices", &gone], ["--prices", "No such file"]),
        (["--prices", &no_prices], ["--prices", "expected a string"]),
        (["--metrics", &gone], ["--metrics", "No such file"]),
        (["--metrics", &no_metrics], ["--metrics", "buttonparty_envelope_commands_size"]),
        (["--metrics", &nobody], ["--metrics", "Connection refused"]),
        (["--metrics", &elsewhere], ["--metrics", "404"]),
        (["--metrics", "https://127.0.0.1/metrics"], ["--metrics", "only http://"]),
        (["--metrics", "http://"], ["--metrics", "not an address"]),
    ] {
        let told = wrong(&place, &args).await;
        assert!(expected.iter().all(|part| told.contains(part)), "{args:?}: {told}");
    }
}

#[tokio::test]
async fn the_answer_to_a_press_has_as_many_bytes_as_is_assumed() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "all", &with_auth(&[])).await;
    let host = game.url.strip_prefix("http://").unwrap();
    let body = json!({ "username": "player-0000001" }).to_string();
    let mut connection = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /press HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let bytes = answer.replace("connection: close\r\n", "").len() as f64;
    assert!((bytes - Inputs::default().answer_bytes).abs() <= 10.0, "{bytes} bytes: {answer}");
}
