//! Connections that are slow or broken.

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::nothing_was_enqueued;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{DEADLINE, Game, beside_others};

/// Sends bytes, and returns everything that comes back until the server closes the connection.
async fn raw(game: &Game, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(game.url.trim_start_matches("http://")).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
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
        // A length that lies: the next request is not read out of the body of the last one.
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
