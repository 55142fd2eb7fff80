//! The command `cost` on the counters of a running game, and the message sizes that its model assumes.

use std::process::{Output, Stdio};

use cost::inputs::Inputs;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::{Game, beside_others, binary, eventually, with_auth};

async fn run(args: &[&str]) -> Output {
    let program = binary().with_file_name("cost");
    assert!(program.exists(), "{} is missing: run `cargo build --workspace` first", program.display());
    Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
}

async fn costs(args: &[&str]) -> Value {
    let args: Vec<_> = ["--json"].into_iter().chain(args.iter().copied()).collect();
    let output = run(&args).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_packing_of_a_running_game_is_measured() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "all", &with_auth(&[])).await;
    let metrics = format!("{}/metrics", game.url);
    let output = run(&["--metrics", &metrics]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("not accepted a press yet"), "{error}");
    let missing = format!("{}/nothing", game.url);
    let output = run(&["--metrics", &missing]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("--metrics") && error.contains("404"), "{error}");

    const PRESSES: usize = 64;
    join_all((0..PRESSES).map(|player| {
        let game = &game;
        async move { game.press(&format!("player-{player:07}")).await }
    }))
    .await;
    // `/metrics` is rendered with a delay.
    let sends = eventually("the presses are counted", || async {
        let counted = game.metric("buttonparty_envelope_commands_size_sum").await;
        let sends = game.metric("buttonparty_send_envelopes_size_count").await;
        (counted == PRESSES as f64).then_some(sends)
    })
    .await;
    let report = costs(&["--metrics", &metrics]).await;
    let near = |name: &str, found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-6 * expected, "{name}: {found}, not {expected}: {report}");
    };
    assert_eq!(report["measured"], json!(true));
    near("a send", &report["packing"]["presses_per_send"], PRESSES as f64 / sends);
    let bytes = game.metric("buttonparty_envelope_bytes_total").await;
    let envelopes = game.metric("buttonparty_envelope_commands_size_count").await;
    assert!(bytes > PRESSES as f64 * 60.0 && envelopes >= 1.0, "{bytes} bytes in {envelopes} envelopes");

    // A file works like a URL, and the counters of two processes are added.
    let file = place.folder().join("metrics.txt");
    std::fs::write(&file, game.metrics().await).unwrap();
    let both = costs(&["--metrics", &metrics, file.to_str().unwrap()]).await;
    assert_eq!(both["packing"], report["packing"], "the same counters twice give the same packing");
    assert!(game.stop().await.success());
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
