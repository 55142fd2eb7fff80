//! A TCP proxy that can be cut.

use std::future;
use std::net::SocketAddr;
use std::thread;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Size of a read.
const BUFFER_BYTES: usize = 64 * 1024;

/// A proxy on loopback to a server, on its own thread; stops on drop.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

#[derive(Debug, Default)]
struct Line {
    stalled: bool,
    cut: bool,
    /// The port is closed.
    closed: bool,
    /// Number of cuts: a connection from before a cut ends even if the proxy is repaired at once.
    cuts: u64,
}

impl Proxy {
    /// Listens on a free port; every connection is forwarded to the target.
    pub fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (line, state) = watch::channel(Line::default());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, target, state)); // dropping the runtime closes the connections
        });
        Self { address, line }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and each new one at once, until `mend`.
    pub fn cut(&self) {
        self.line.send_modify(|line| *line = Line { cut: true, cuts: line.cuts + 1, ..Line::default() });
    }

    /// Closes every connection and then the port, until `mend`: connections are refused, as by a machine without the
    /// server.
    pub fn close(&self) {
        self.line.send_modify(|line| *line = Line { closed: true, cuts: line.cuts + 1, ..Line::default() });
    }

    /// Holds all bytes, in both directions, until `mend`; connections stay open, and new ones are accepted.
    pub fn stall(&self) {
        self.line.send_modify(|line| line.stalled = true);
    }

    /// Forwards bytes again, held ones first.
    pub fn mend(&self) {
        self.line.send_modify(|line| *line = Line { cuts: line.cuts, ..Line::default() });
    }
}

/// Serves until the proxy is dropped.
async fn serve(listener: std::net::TcpListener, target: SocketAddr, mut state: watch::Receiver<Line>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(TcpListener::from_std(listener).unwrap());
    loop {
        if state.borrow_and_update().closed {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.unwrap());
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => {
                let Line { cut, cuts, .. } = *state.borrow();
                if let Ok((near, _)) = accepted && !cut {
                    tokio::spawn(carry(near, target, state.clone(), cuts));
                }
            }
            changed = state.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

async fn carry(near: TcpStream, target: SocketAddr, line: watch::Receiver<Line>, cuts: u64) {
    let mut cut = line.clone();
    let both = async {
        let Ok(far) = TcpStream::connect(target).await else { return };
        for stream in [&near, &far] {
            stream.set_nodelay(true).ok();
        }
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::join!(one_way(near_in, far_out, line.clone()), one_way(far_in, near_out, line.clone()));
    };
    tokio::select! {
        () = both => {}
        _ = cut.wait_for(|line| line.cuts != cuts) => {}
    }
}

/// Forwards bytes until either side closes. During a stall, bytes that were read wait here, all others in the socket.
async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if line.wait_for(|line| !line.stalled).await.is_err() {
            break;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    to.shutdown().await.ok();
}
