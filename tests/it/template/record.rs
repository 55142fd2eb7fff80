//! A proxy before an SQS server that records the requested actions.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The header with the operation of a request.
const TARGET: &str = "x-amz-target: amazonsqs.";

/// An IAM action, such as `sqs:SendMessage`, and its queue as URL or name.
pub(crate) type Asked = BTreeSet<(String, String)>;

/// The requests of one process.
pub(crate) struct Recorder {
    /// The value for `AWS_ENDPOINT_URL_SQS`.
    pub(crate) url: String,
    asked: Arc<Mutex<Asked>>,
}

impl Recorder {
    /// Listens on a free port of loopback, and forwards everything to the server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Asked::new()));
        let notes = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, server, Arc::clone(&notes)));
            }
        });
        Self { url, asked }
    }

    /// All actions so far.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.lock().unwrap().clone()
    }
}

async fn carry(near: TcpStream, server: SocketAddr, notes: Arc<Mutex<Asked>>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    let ((mut requests, mut answers), (mut from_server, mut to_server)) =
        (near.into_split(), far.into_split());
    let there = async {
        let (mut unread, mut buffer) = (Vec::new(), vec![0; 65_536]);
        while let Ok(length @ 1..) = requests.read(&mut buffer).await {
            unread.extend_from_slice(&buffer[..length]);
            while let Some(asked) = take(&mut unread) {
                notes.lock().unwrap().insert(asked);
            }
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    // When either side closes, both are closed.
    tokio::select! {
        () = there => {}
        _ = tokio::io::copy(&mut from_server, &mut answers) => {}
    }
}

/// Removes a complete request from the bytes that were read.
fn take(unread: &mut Vec<u8>) -> Option<(String, String)> {
    let head_bytes = unread.windows(4).position(|of| of == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&unread[..head_bytes]).into_owned();
    let field = |name: &str| {
        let found = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(found[name.len()..].trim())
    };
    let length: usize = field("content-length:")?.parse().unwrap();
    let body = unread.get(head_bytes..head_bytes + length)?.to_vec();
    unread.drain(..head_bytes + length);
    let operation = field(TARGET).unwrap_or_else(|| panic!("that is no request to SQS: {head}"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    let queue = body["QueueUrl"].as_str().or(body["QueueName"].as_str()).unwrap().to_owned();
    // A permission for an action includes its batch form.
    Some((format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation)), queue))
}
