//! Durable ingest against bare axum with the same body parsing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use engine::clock::Clock;
use metrics_exporter_prometheus::PrometheusHandle;
use server::config::{Config, Role};
use server::node::Node;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::load::{self, CONNECTIONS, Load, MEASURED_S};
use crate::report::{fsync_ms, median, row, verdict};
use crate::{Outcome, RUNS, folder};

const GOAL: f64 = 0.7;

/// Measures both in turn, and prints the ratio.
pub(crate) fn compare(metrics: &PrometheusHandle) -> Outcome<()> {
    println!("\n1. ingest: POST /press, answered 202");
    println!(
        "   bare: axum::serve, one route, the body through wire::parse_press, an answer of the same shape"
    );
    println!(
        "   ours: role ingest in full (router, batcher, metrics), 202 after the inbox (SQLite, synchronous=FULL)"
    );
    println!(
        "   load: one thread, raw TCP, {CONNECTIONS} connections kept, closed loop, {MEASURED_S} s a run, warmed up;"
    );
    println!("   server and load are threads of one process, the server on tokio's default runtime");
    let (mut bare, mut ours, mut fsyncs_ms) = (Vec::new(), Vec::new(), Vec::new());
    let sums = Sums::read(metrics);
    for _ in 0..RUNS {
        bare.push(measured(Server::bare()?)?);
        let folder = folder()?;
        fsyncs_ms.push(fsync_ms(folder.path())?);
        ours.push(measured(Server::ours(folder.path(), metrics.clone())?)?);
    }
    let (bare_rate, ours_rate) = (print("bare", &bare), print("ours", &ours));
    Sums::read(metrics).print_since(&sums);
    println!("  fdatasync of 4 KiB in the same folder: {:.3} ms", median(&fsyncs_ms));
    verdict("ours / bare", ours_rate / bare_rate, GOAL);
    Ok(())
}

fn print(name: &str, loads: &[Load]) -> f64 {
    let of = |figure: &dyn Fn(&Load) -> f64| loads.iter().map(figure).collect::<Vec<_>>();
    let rates = of(&Load::per_second);
    let (p50, p99) = (of(&|load| load.quantile_ms(0.5)), of(&|load| load.quantile_ms(0.99)));
    let (rate, p50, p99) = (median(&rates), median(&p50), median(&p99));
    println!("  {name} {} /s  median {rate:.0} /s, p50 {p50:.2} ms, p99 {p99:.2} ms", row(&rates));
    let refused: u64 = loads.iter().map(|load| load.refused).sum();
    if refused > 0 {
        println!("  {name}: {refused} answers other than 202");
    }
    rate
}

fn measured(server: Server) -> Outcome<Load> {
    let load = load::run(server.address)?;
    // If the server has failed, there is no receiver; `join` then returns the error.
    let _ = server.stop.send(());
    server.thread.join().map_err(|_| "the server panicked")??;
    Ok(load)
}

/// A server on a runtime of its own.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Outcome<()>>,
}

impl Server {
    /// Runs `serve` on its own thread. `serve` reports its address and runs until it is told to stop.
    fn start<F: Future<Output = Outcome<()>>>(
        name: &'static str,
        serve: impl FnOnce(mpsc::Sender<SocketAddr>, oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> Outcome<Self> {
        let (stop, stopped) = oneshot::channel();
        let (listens, address) = mpsc::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().thread_name(name).build()?;
            runtime.block_on(serve(listens, stopped))
        })?;
        match address.recv() {
            Ok(address) => Ok(Self { address, stop, thread }),
            Err(_) => {
                Err(thread.join().map_err(|_| "the server panicked")?.err().unwrap_or("it ended".into()))
            }
        }
    }

    fn bare() -> Outcome<Self> {
        Self::start("bare", async |listens, stopped| {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            listens.send(listener.local_addr()?)?;
            // The real server sets TCP_NODELAY too. A failure only makes the connection slower.
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            let router = axum::Router::new().route("/press", post(bare_press));
            let stopped = async { stopped.await.unwrap_or_default() };
            Ok(axum::serve(listener, router).with_graceful_shutdown(stopped).await?)
        })
    }

    fn ours(data: &Path, metrics: PrometheusHandle) -> Outcome<Self> {
        let data = data.to_str().ok_or("the folder's name is not UTF-8")?.to_owned();
        let config = Config::parse(Role::Ingest, |setting| match setting.name {
            "LISTEN" => Some("127.0.0.1:0".to_owned()),
            "DATA" => Some(data.clone()),
            "AUTH" => Some("open".to_owned()),
            _ => None,
        })?;
        Self::start("ours", async move |listens, stopped| {
            let node = Node::start(&config, Some(metrics), Clock::System).await?;
            listens.send(node.address)?;
            Ok(node.run(async { stopped.await.unwrap_or_default() }).await?)
        })
    }
}

async fn bare_press(body: Bytes) -> Response {
    let Ok(username) = wire::parse_press(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    drop(username);
    let accepted =
        wire::Accepted { id: "5f1d20c49ab37e08-2a.117".to_owned(), arrived_at: Clock::System.now_ms() };
    match serde_json::to_vec(&accepted) {
        Ok(body) => {
            (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sums and counts of the batcher's histograms.
struct Sums {
    commands: (f64, f64),
    envelopes: (f64, f64),
    seconds: (f64, f64),
}

impl Sums {
    fn read(metrics: &PrometheusHandle) -> Self {
        let text = metrics.render();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
        };
        let histogram = |name: &str| (value(&format!("{name}_sum")), value(&format!("{name}_count")));
        Self {
            commands: histogram("buttonparty_envelope_commands_size"),
            envelopes: histogram("buttonparty_send_envelopes_size"),
            seconds: histogram("buttonparty_send_seconds"),
        }
    }

    fn print_since(&self, before: &Self) {
        let mean = |now: (f64, f64), then: (f64, f64)| (now.0 - then.0) / (now.1 - then.1).max(1.0);
        let (commands, envelopes) =
            (mean(self.commands, before.commands), mean(self.envelopes, before.envelopes));
        let send_ms = mean(self.seconds, before.seconds) * 1e3;
        let per_send = commands * envelopes;
        println!(
            "  ours, means: {commands:.1} commands in an envelope, {envelopes:.2} envelopes and {per_send:.1} commands in a send, {send_ms:.2} ms a send"
        );
    }
}
