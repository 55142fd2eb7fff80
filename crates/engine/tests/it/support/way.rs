//! A way to a server on which answers get lost when told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A way from a port on loopback to a server; it is closed when this is dropped.
pub(crate) struct Way {
    pub(crate) address: String,
    losing: Arc<AtomicBool>,
    task: JoinHandle<()>,
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
        let losing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&losing);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(join(client, server, Arc::clone(&told)));
            }
        });
        Self { address, losing, task }
    }

    /// From now on requests arrive, and the connection breaks instead of each answer; or no longer.
    pub(crate) fn lose(&self, losing: bool) {
        self.losing.store(losing, Ordering::SeqCst);
    }
}

async fn join(client: TcpStream, server: TcpStream, losing: Arc<AtomicBool>) {
    let (mut requests, mut to_client) = client.into_split();
    let (mut answers, mut to_server) = server.into_split();
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(bytes) = answers.read(&mut buffer).await {
            if bytes == 0
                || losing.load(Ordering::SeqCst)
                || to_client.write_all(&buffer[..bytes]).await.is_err()
            {
                return;
            }
        }
    };
    // Either end closes both.
    tokio::select! {
        _ = copy(&mut requests, &mut to_server) => {}
        () = back => {}
    }
}
