//! Connections that are slow or broken.

use std::process::Stdio;
use std::time::Duration;

use engine::clock::Stopwatch;
use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serve::bounds::{CONNECTION_BYTES_MAX, HEAD_BYTES_MAX, SILENCE_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::nothing_was_enqueued;
use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, DEADLINE, Game, beside_others, command, eventually, with_auth};

async fn connect(game: &Game) -> TcpStream {
    TcpStream::connect(game.url.trim_start_matches("http://")).await.unwrap()
}

/// Sends bytes, and returns everything received until the server closes the connection.
async fn raw(game: &Game, bytes: &[u8]) -> String {
    let mut stream = connect(game).await;
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    rest(stream).await
}

/// Sends bytes and closes the sending side; returns everything received.
async fn said_all(game: &Game, bytes: &[u8]) -> String {
    let mut stream = connect(game).await;
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    rest(stream).await
}

/// Everything received until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read =
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    let _ = read; // reset or closed: both end it
    String::from_utf8_lossy(&answer).into_owned()
}

#[rstest]
#[tokio::test]
async fn slow_and_broken_connections_end_and_harm_nobody(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(stack).await;
    let slow_body = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\ncontent-length: 18\r\n\r\n{\"username\"");
    let slow_head = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let garbage = async {
        for junk in
            [&b"GARBAGE\r\n\r\n"[..], &[0; 100_000], &[b'A'; 1_000_000], b"GET /healthz HTTP/9.9\r\n\r\n"]
        {
            let answer = raw(&game, junk).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let answer = raw(&game, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGARBAGE\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let heads = "GET / HTTP/1.1\r\n".to_owned() + &"x-many: x\r\n".repeat(10_000);
        let answer = raw(&game, heads.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        // A wrong Content-Length: the rest of a body is not parsed as the next request.
        let answer = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n{}").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    };
    let limit = Duration::from_secs(25);
    let (slow_body, slow_head, ()) =
        timeout(limit, async { tokio::join!(slow_body, slow_head, garbage) }).await.expect("bounded");
    assert!(slow_body.starts_with("HTTP/1.1 408"), "{slow_body}");
    assert!(slow_body.contains("urn:buttonparty:problem:request-timeout"), "{slow_body}");
    assert!(slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
    nothing_was_enqueued(&game, &place).await;
    game.add("ada").await;
}

/// A request head of this many bytes.
fn head(bytes: usize) -> String {
    let begin = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: ";
    format!("{begin}{}\r\n\r\n", "x".repeat(bytes - begin.len() - 4))
}

#[tokio::test]
async fn heads_have_a_bound() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    for bytes in [4_096, 8_000, HEAD_BYTES_MAX] {
        let answer = raw(&game, head(bytes).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{bytes}: {answer}");
    }
    for bytes in [HEAD_BYTES_MAX + 1, HEAD_BYTES_MAX + 2_000, 2 * HEAD_BYTES_MAX, 32 << 10, 49_000] {
        let answer = raw(&game, head(bytes).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{bytes}: {answer}");
        // Also after another request, and in pieces.
        let mut stream = connect(&game).await;
        let head = [b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", head(bytes).as_bytes()].concat();
        for piece in head.chunks(1_000) {
            let _ = stream.write_all(piece).await;
        }
        let answer = rest(stream).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{bytes}: {answer}");
        assert!(answer.contains("HTTP/1.1 431"), "{bytes}: {answer}");
    }
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    for head in [
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nhost: x\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x y\r\n",
        "GET http://x/healthz HTTP/1.1\r\n",
        "POST /add HTTP/1.1\r\ncontent-length: 18\r\n",
        "GET /healthz HTTP/1.0\r\nhost: x\r\nhost: x\r\n",
    ] {
        let answer = said_all(&game, format!("{head}\r\n{{\"username\":\"ada\"}}").as_bytes()).await;
        assert!(answer[9..].starts_with("400 "), "{head}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("\"Host\""),
            "{head}: {answer}"
        );
    }
    for head in [
        "GET /healthz HTTP/1.0\r\n",
        "GET http://y/healthz HTTP/1.1\r\nhost: x\r\n",
        "GET /healthz HTTP/1.1\r\nhost: [::1]:8080\r\n",
        "GET /healthz HTTP/1.1\r\nhost:\r\n",
    ] {
        let answer = said_all(&game, format!("{head}\r\n").as_bytes()).await;
        assert!(answer[9..].starts_with("200 "), "{head}: {answer}");
    }
    assert_eq!(game.metric("buttonparty_requests_accepted_total").await, 0.0);
}

#[tokio::test]
async fn whoever_has_said_all_gets_an_answer() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    let post = |path: &str, length: usize| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        format!("{head}{{\"username\":\"ada\"}}")
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    for (request, status) in [
        (post("/add", 18), "202"),
        (post("/press", 18), "202"),
        (post("/nothing", 18), "404"),
        (post("/press", 19), "400"), // the body is truncated
        (get("/healthz"), "200"),
        (get("/readyz"), "200"),
        (get("/fetch/lb"), "200"),
        (get("/fetch/self?username=nobody"), "404"),
        (get("/live"), "200"), // the current events
        (get("/healthz") + &post("/press", 18) + &get("/healthz"), "200"),
    ] {
        let answer = said_all(&game, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        // Each response is complete: as long as its head says.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), request.matches("HTTP/1.1").count(), "{answer}");
        let (_, last) = answer.rsplit_once("HTTP/1.1 ").unwrap();
        let (head, body) = last.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert!(length.is_none_or(|length| length == body.len().to_string()), "{request}: {answer}");
    }
    assert_eq!(game.metric("buttonparty_requests_accepted_total").await, 3.0);
    assert_eq!(game.metric("buttonparty_live_connections").await, 0.0);
}

/// The next response on a keep-alive connection.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push(char::from(timeout(DEADLINE, stream.read_u8()).await.unwrap().expect("an answer")));
    }
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    timeout(DEADLINE, stream.read_exact(&mut body)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn an_answer_is_not_lost_with_a_body_that_nobody_reads() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    let body = [b' '; 60_000];
    for (head, status) in [
        ("POST /nothing HTTP/1.1\r\nhost: x\r\n", 404),
        ("PUT /press HTTP/1.1\r\nhost: x\r\n", 405),
        ("POST /press HTTP/1.1\r\n", 400),
        ("POST /press HTTP/1.1\r\nhost: x\r\nidempotency-key: two words\r\n", 400),
        ("POST /press HTTP/1.1\r\nhost: x\r\n", 413),
        ("POST /admin/rounds HTTP/1.1\r\nhost: x\r\n", 401),
    ] {
        for _ in 0..20 {
            let mut stream = connect(&game).await;
            let head = format!("{head}content-length: {}\r\n\r\n", body.len());
            for part in [head.as_bytes(), &body, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"] {
                stream.write_all(part).await.expect("the connection stays");
            }
            let told = answer(&mut stream).await;
            assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {told}");
            let told = answer(&mut stream).await;
            assert!(told.starts_with("HTTP/1.1 200 "), "{head}: {told}");
        }
    }
}

#[tokio::test]
async fn connections_that_ask_for_nothing_make_room() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let plain = command(&place, &["all"], &with_auth(&BY_HAND));
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 200; exec \"$@\"", "sh"]).arg(plain.as_std().get_program());
    limited.args(plain.as_std().get_args()).stdin(Stdio::null()).kill_on_drop(true);
    for (name, value) in plain.as_std().get_envs() {
        limited.env(name, value.unwrap());
    }
    let game = Game::spawn(limited, place.folder(), "all").await;
    let holders = (0..80).map(|_| async {
        let mut stream = connect(&game).await;
        stream.write_all(b"HEAD /live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream
    });
    let holders = join_all(holders).await;
    let watch = Stopwatch::start();
    // The limit allows 72 connections: the next one waits until the first are closed.
    assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    let waited_ms = watch.seconds() * 1e3;
    assert!(waited_ms < 2.5e3 * SILENCE_MAX.as_secs_f64(), "{waited_ms} ms");
    assert_eq!(game.metric("buttonparty_live_connections").await, 0.0);
    let closed = holders.into_iter().take(72).map(rest);
    for answer in join_all(closed).await {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(watch.seconds() < 2.5 * SILENCE_MAX.as_secs_f64(), "{} s", watch.seconds());
    game.add("ada").await;
}

/// Resident memory of a process, in bytes.
fn resident_bytes(game: &Game) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", game.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Whether the server has read everything that was sent to it.
fn has_read_all(game: &Game) -> bool {
    let port: u16 = game.url.rsplit(':').next().unwrap().parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).all(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let ours = fields[1].ends_with(&format!(":{port:04X}")) && fields[3] == "01";
        !ours || fields[4].ends_with(":00000000")
    })
}

/// Requests that never complete: the pieces that are sent on each connection.
fn unfinished() -> [(&'static str, Vec<Vec<u8>>); 4] {
    let pieces = |bytes: &[u8]| bytes.chunks(4_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut begun = head(HEAD_BYTES_MAX).into_bytes();
    begun.pop();
    let small = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20);
    let post = head(HEAD_BYTES_MAX - 64).replace("GET /healthz", "POST /press");
    let post = format!("{}\r\ncontent-length: 16384\r\n\r\n", post.trim_end()).into_bytes();
    let body = vec![b'x'; 16_383];
    [
        ("a head in one piece", vec![begun.clone()]),
        ("a head behind other requests", vec![[&small[..], &begun[..]].concat()]),
        ("a body in one piece", vec![[&post[..], &body[..]].concat()]),
        ("a head and a body in pieces", [pieces(&post), pieces(&body)].concat()),
    ]
}

#[tokio::test]
async fn a_connection_takes_no_more_memory_than_is_said() {
    const CONNECTIONS: usize = 500;
    let _beside = beside_others().await;
    serve::connections_max(); // raises this process' own limit of open files
    let (_place, game) = Game::by_hand(Embedded).await;
    let mut all = Vec::new();
    let mut taken = Vec::new();
    for (kind, pieces) in unfinished() {
        let before = resident_bytes(&game);
        let mut streams = join_all((0..CONNECTIONS).map(|_| connect(&game))).await;
        for piece in pieces {
            for stream in &mut streams {
                stream.write_all(&piece).await.unwrap();
            }
            eventually("all is read", || async { has_read_all(&game).then_some(()) }).await;
        }
        taken.push((kind, resident_bytes(&game).saturating_sub(before) / CONNECTIONS));
        all.extend(streams); // kept open, so that their memory is not reused
    }
    println!("bytes of memory for a connection: {taken:?}");
    for (kind, bytes) in &taken {
        let least = if kind.contains("body") { 16_383 } else { HEAD_BYTES_MAX };
        assert!((least..=CONNECTION_BYTES_MAX).contains(bytes), "{kind}: {taken:?}");
    }
}
