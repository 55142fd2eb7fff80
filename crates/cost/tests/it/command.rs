//! The binary `cost`: its output, and how it refuses arguments.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cost"));
    // Help is wrapped to the terminal's width.
    command.args(args).env("COLUMNS", "120").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a successful run prints.
async fn printed(args: &[&str]) -> String {
    let output = command(args).output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn costs(args: &[&str]) -> Value {
    let args: Vec<_> = ["--json"].into_iter().chain(args.iter().copied()).collect();
    serde_json::from_str(&printed(&args).await).unwrap()
}

#[tokio::test]
async fn the_cost_is_printed_as_a_table_and_as_json() {
    insta::assert_snapshot!("table", printed(&[]).await);
    let json = printed(&["--json"]).await;
    insta::assert_snapshot!("json", json);
    let report: Value = serde_json::from_str(&json).unwrap();
    let lines = report["per_million_presses"].as_array().unwrap();
    let sum: f64 = lines.iter().map(|line| line["packed_usd"].as_f64().unwrap()).sum();
    let total = report["per_million_presses_total"]["packed_usd"].as_f64().unwrap();
    assert!((sum - total).abs() < 1e-9, "{report}");

    let args = ["--players", "1e7", "--partitions", "4", "--tls"];
    insta::assert_snapshot!("table_of_flags", printed(&args).await);
    let other = costs(&args).await;
    let inputs = ["players", "partitions", "tls"].map(|name| other["inputs"][name].clone());
    assert_eq!(inputs, [json!(1e7), json!(4.0), json!(1.0)], "{other}");
}

#[tokio::test]
async fn help_explains_every_flag() {
    insta::assert_snapshot!("help", printed(&["--help"]).await);
}

#[tokio::test]
async fn it_leaves_no_files_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&[]).current_dir(folder.path()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn other_prices_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.json");
    let mut prices: Value = serde_json::from_str(include_str!("../../src/prices.json")).unwrap();
    prices["region"] = "mars-north-1".into();
    prices["http_api_request_million"]["usd"] = 7.into();
    std::fs::write(&file, prices.to_string()).unwrap();
    let report = costs(&["--prices", file.to_str().unwrap()]).await;
    assert_eq!(report["region"], "mars-north-1");
    assert_eq!(report["per_million_presses"][0]["each_usd"], json!(7.0), "{report}");
}

/// Answers one request with this head, and a body without an end unless the head says its length.
async fn answering(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(socket.read(&mut request).await.unwrap() > 0);
        // The client hangs up as soon as it has read enough.
        let mut sent = socket.write_all(head.as_bytes()).await;
        while sent.is_ok() && !head.contains("content-length") {
            sent = socket.write_all(&[b'\n'; 65_536]).await;
        }
    });
    format!("http://{address}/metrics")
}

/// Standard error of a run with these arguments, which must fail and print nothing else.
async fn refused(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(args).output().await.unwrap();
    assert!(!status.success() && stdout.is_empty(), "{args:?}: {status}");
    String::from_utf8(stderr).unwrap()
}

#[tokio::test]
async fn a_wrong_argument_is_refused_with_the_name_of_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (no_prices, no_metrics) = (path("prices", "{\"region\":1}"), path("metrics", "up 1\n"));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed_port = format!("http://{free}/metrics");
    let not_found = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let elsewhere = answering("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    let endless = answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let cut_off = answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
    let gone = folder.path().join("gone").to_str().unwrap().to_owned();
    for (args, expected) in [
        (["--players", "many"], ["'many' for '--players", "a number from 1"]),
        (["--players", "-5"], ["'-5' for '--players", "a number from 1"]),
        (["--share-that-presses", "1.5"], ["--share-that-presses", "from 0 to 1 (part of 1)"]),
        (["--linger-ms", "NaN"], ["--linger-ms", "milliseconds"]),
        (["--partitions", "0"], ["'0' for '--partitions", "1 to 1024"]),
        (["--partitions", "1025"], ["'1025' for '--partitions", "1 to 1024"]),
        (["--partitions", "+4"], ["'+4' for '--partitions", "1 to 1024"]),
        (["--ingest-node", "2"], ["--ingest-node", "--ingest-nodes"]),
        (["--prices", &gone], ["--prices", "No such file"]),
        (["--prices", &no_prices], ["--prices", "expected a string"]),
        (["--metrics", &gone], ["--metrics", "No such file"]),
        (["--metrics", &no_metrics], ["--metrics", "buttonparty_envelope_commands_size"]),
        (["--metrics", &closed_port], ["--metrics", "Connection refused"]),
        (["--metrics", &not_found], ["--metrics", "404"]),
        (["--metrics", &elsewhere], ["--metrics", "302"]),
        (["--metrics", &endless], ["--metrics", "more than 4194304 bytes"]),
        (["--metrics", &cut_off], ["--metrics", "incomplete answer"]),
        (["--metrics", "https://127.0.0.1/metrics"], ["--metrics", "only http://"]),
        (["--metrics", "http://"], ["--metrics", "not an address"]),
    ] {
        let error = refused(&args).await;
        assert!(expected.iter().all(|part| error.contains(part)), "{args:?}: {error}");
    }
}

#[tokio::test]
async fn a_closed_output_is_no_error_and_a_full_disk_is() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&[]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(&[]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains("No space left on device"), "{output:?}");
}
