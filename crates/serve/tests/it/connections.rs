//! The accept loop, with timeouts short enough for a test: idle connections are closed, and no others.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::clock::{Clock, Stopwatch};
use engine::live::{Event, Hub};
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt};
use serve::{App, Limits, LongLived, Refused, Routes, serve};
use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A body larger than all socket buffers.
static BIG: [u8; 16 << 20] = [0; 16 << 20];
const SILENCE: Duration = Duration::from_millis(1_000);
const UNACKED: Duration = Duration::from_millis(2_000);

/// A server on loopback; stops on drop.
struct Site {
    address: SocketAddr,
    hub: Arc<Hub>,
    _stop: DropGuard,
}

impl Site {
    /// A server with these limits of connections and live pages. `begun`: whether its routes are ready.
    async fn new(connections: usize, pages: usize, begun: bool) -> Self {
        let stop = CancellationToken::new();
        let hub = Hub::new(Clock::System, pages, stop.clone());
        let app = Arc::new(App::starting(7, &[], || Duration::ZERO));
        if begun {
            let routes = Routes::new()
                .undocumented("/healthz", get(|| async { "ok\n" }))
                .undocumented("/never", get(std::future::pending::<&'static str>))
                .undocumented("/big", get(|| async { &BIG[..] }))
                .merge(Routes::new().undocumented("/live", get(live)).with_state(Arc::clone(&hub)));
            app.begin(routes);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { connections, silence: SILENCE, unacked: UNACKED };
        tokio::spawn(serve(listener, app, limits, stop.clone()));
        Self { address, hub, _stop: stop.drop_guard() }
    }

    /// A connection with a small receive buffer, which holds little unread data.
    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// A connection on which these bytes were sent.
    async fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// A live page, and the head of its response.
    async fn listen(&self) -> (TcpStream, String) {
        let mut stream = self.sent(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let head = head(&mut stream).await;
        (stream, head)
    }

    /// Publishes an event that is unique.
    fn publish(&self, number: usize) {
        let data = format!("{number:0>60000}");
        self.hub.publish(Event { topic: "board", data: data.into(), stamped: false });
    }
}

/// A response that lasts as long as there are events; 503 at the limit.
async fn live(State(hub): State<Arc<Hub>>) -> Response {
    let Some(connected) = hub.connect().map(Arc::new) else {
        return Refused::unavailable("no room").into_response();
    };
    let long_lived = LongLived::with(&connected);
    let events = hub.subscribe().map(move |event| {
        let _alive = &connected; // lives as long as the stream
        Ok::<_, Infallible>(Bytes::copy_from_slice(event.data.as_bytes()))
    });
    let mut response = Body::from_stream(events).into_response();
    response.extensions_mut().insert(long_lived);
    response
}

/// Fails if this exceeds the deadline.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let work = Box::pin(work);
    tokio::time::timeout(Duration::from_secs(120), work).await.expect("this does not end")
}

/// The head of the next response.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(stream.read_u8()).await.expect("an answer"));
    }
    String::from_utf8(head).unwrap()
}

/// Sends single bytes until the connection fails.
async fn drip(mut stream: TcpStream, byte: u8) -> TcpStream {
    while stream.write_all(&[byte]).await.is_ok() {
        tokio::time::sleep(SILENCE / 20).await;
    }
    stream
}

/// This many clients that hold connections without using them, each for as long as its future runs.
async fn holders(site: &Site, begun: bool, number: usize) -> Vec<BoxFuture<'static, TcpStream>> {
    let dripping = [
        (site.sent(b"GET /healthz HTTP/1.1\r\nx-slow: ").await, b'x'),
        (site.sent(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n").await, b'x'),
        (
            site.sent(b"POST /live HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffff\r\n").await,
            b'x',
        ),
        (site.connect().await, b'\n'), // empty lines before a head
    ];
    let mut quiet = vec![
        site.sent(b"GET / HTTP/1.1\r\nhost: x\r\n").await,
        site.sent(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await,
        site.sent(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await,
        site.sent(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await,
        site.sent(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n").await,
        site.sent(b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n").await,
        // Responses that are never read.
        site.sent(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n").await,
        site.sent(&b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000)).await,
    ];
    for path in ["/live", "/healthz", "/big", "/nothing"] {
        quiet.push(site.sent(format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await);
        let old = format!("HEAD {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        quiet.push(site.sent(old.as_bytes()).await);
    }
    if !begun {
        quiet.push(site.sent(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    while quiet.len() + dripping.len() < number {
        quiet.push(site.connect().await); // nothing is sent at all
    }
    let hold = |stream| async move {
        std::future::pending::<()>().await;
        stream
    };
    let dripping = dripping.into_iter().map(|(stream, byte)| drip(stream, byte).boxed());
    dripping.chain(quiet.into_iter().map(|stream| hold(stream).boxed())).collect()
}

/// Idle clients have lost all their connections when as many other clients are connected at once.
async fn everybody_is_closed(begun: bool) {
    const ROOM: usize = 30;
    let site = Site::new(ROOM + usize::from(begun), 8, begun).await;
    let page = if begun { Some(site.listen().await.0) } else { None };
    let watch = Stopwatch::start();
    let holders = holders(&site, begun, ROOM).await;
    assert_eq!(holders.len(), ROOM);
    let holding = tokio::spawn(join_all(holders));
    let answered = AtomicUsize::new(0);
    let others = join_all((0..ROOM).map(|_| async {
        let mut stream = site.connect().await;
        for asked in 0.. {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
            in_time(stream.read_exact(&mut [0; 3])).await.unwrap();
            answered.fetch_add(usize::from(asked == 0), Ordering::Relaxed);
            if answered.load(Ordering::Relaxed) == ROOM {
                break;
            }
            // Sends another request; otherwise this connection would be closed as idle and make room.
            tokio::time::sleep(SILENCE / 8).await;
        }
    }));
    in_time(others).await;
    let took_s = watch.seconds();
    assert!((0.9..10.0).contains(&(took_s / SILENCE.as_secs_f64())), "{took_s} s");
    holding.abort();
    if let Some(mut page) = page {
        // The page has sent nothing all the time, and is still connected.
        site.publish(1);
        in_time(page.read_exact(&mut [0; 4_096])).await.expect("the page goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_use_a_connection_loses_it() {
    tokio::join!(everybody_is_closed(true), everybody_is_closed(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gave_up_on_an_answer_makes_room() {
    const ROOM: usize = 6;
    let site = Site::new(ROOM, 1, true).await;
    let mut waiting = site.sent(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    for number in 1..ROOM {
        let stream = site.sent(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
        if number % 2 == 0 {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
    }
    // A disconnect is noticed even if the client had sent more after its request.
    let (mut page, told) = site.listen().await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    page.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(page);
    let listening = async {
        while !site.listen().await.1.starts_with("HTTP/1.1 200") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time(listening).await;
    // A connection that still waits is not closed, however long it waits.
    assert_eq!(waiting.read(&mut [0]).now_or_never().map(|read| read.unwrap()), None);
}

/// A socket filter program for the kernel that drops every packet: `ret 0`.
const NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_listen_any_more_makes_room_for_others() {
    const ROOM: usize = 3;
    let site = Site::new(100, ROOM, true).await;
    let (mut page, told) = site.listen().await;
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");

    // A client that closes makes room at once: no event was sent meanwhile.
    let (closed, _) = site.listen().await;
    let (reset, _) = site.listen().await;
    assert!(site.listen().await.1.starts_with("HTTP/1.1 503"));
    drop(closed);
    SockRef::from(&reset).set_linger(Some(Duration::ZERO)).unwrap();
    drop(reset);
    let free = async |room: usize| {
        let mut pages = Vec::new();
        while pages.len() < room {
            let (page, told) = site.listen().await;
            if told.starts_with("HTTP/1.1 200") {
                pages.push(page);
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        pages
    };
    let watch = Stopwatch::start();
    let [vanished, unread] = in_time(free(2)).await.try_into().unwrap();
    assert!(watch.seconds() < UNACKED.as_secs_f64(), "only what is sent has shown it: {} s", watch.seconds());

    // A client that vanishes makes room when an event to it is not acknowledged.
    SockRef::from(&vanished).attach_filter(&[NOTHING]).unwrap();
    assert!(site.listen().await.1.starts_with("HTTP/1.1 503"));
    let publishing = async {
        for number in 0.. {
            site.publish(number);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reading = async {
        let mut bytes = vec![0; 1 << 20];
        while page.read(&mut bytes).await.expect("the page goes on") > 0 {}
        panic!("the page has ended");
    };
    let made_room = async {
        let watch = Stopwatch::start();
        drop(in_time(free(2)).await);
        let took_s = watch.seconds();
        assert!((0.5 * UNACKED.as_secs_f64()..10.0 * UNACKED.as_secs_f64()).contains(&took_s), "{took_s} s");
    };
    tokio::select! {
        () = publishing => {}
        () = reading => {}
        () = made_room => {}
    }
    drop((vanished, unread));
}
