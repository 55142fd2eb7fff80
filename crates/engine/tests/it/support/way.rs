//! A proxy to a server that loses answers and holds requests when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy from a loopback port to a server; closed on drop.
pub(crate) struct Way {
    pub(crate) address: String,
    told: Arc<Faults>,
    task: JoinHandle<()>,
}

/// The failures of a proxy.
#[derive(Default)]
struct Faults {
    losing: AtomicBool,
    blocked: Mutex<Option<Blocked>>,
}

/// Requests that do not arrive: those that contain this text.
#[derive(Clone, Copy)]
pub(crate) enum Blocked {
    /// The request hangs until it is unblocked.
    Hang(&'static str),
    /// The connection breaks.
    Break(&'static str),
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    pub(crate) async fn to(address: &str) -> Self {
        let server = address.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::new(Faults::default());
        let by = Arc::clone(&told);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(join(client, server, Arc::clone(&by)));
            }
        });
        Self { address, told, task }
    }

    /// Switches the loss of answers: requests arrive, but the connection breaks instead of each answer.
    pub(crate) fn lose(&self, losing: bool) {
        self.told.losing.store(losing, Ordering::SeqCst);
    }

    /// Blocks these requests, or none.
    pub(crate) fn block(&self, blocked: Option<Blocked>) {
        *self.told.blocked.lock() = blocked;
    }
}

async fn join(client: TcpStream, server: TcpStream, told: Arc<Faults>) {
    let (mut requests, mut to_client) = client.into_split();
    let (mut answers, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(bytes) = answers.read(&mut buffer).await {
            if bytes == 0
                || told.losing.load(Ordering::SeqCst)
                || to_client.write_all(&buffer[..bytes]).await.is_err()
            {
                return;
            }
        }
    };
    let forth = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(bytes) = requests.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..bytes]);
            let blocked = *told.blocked.lock();
            match blocked {
                Some(Blocked::Break(blocked)) if text.contains(blocked) => return,
                Some(Blocked::Hang(blocked)) if text.contains(blocked) => {
                    while told.blocked.lock().is_some() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    return;
                }
                _ => {}
            }
            if bytes == 0 || to_server.write_all(&buffer[..bytes]).await.is_err() {
                return;
            }
        }
    };
    // When either side closes, both are closed.
    tokio::select! {
        () = forth => {}
        () = back => {}
    }
}
