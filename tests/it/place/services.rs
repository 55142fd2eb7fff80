//! The resources of one game on the shared servers of this test process.

use std::net::SocketAddr;

use queue::{AccessKey, Service};
use servers::postgres::{self, Database, Server};
use servers::proxy::Proxy;
use servers::redis;
use servers::sqs::{self, KEY, Made, QueueOptions, REGION};

/// Password of each database role.
const PASSWORD: &str = "of a role";

/// The database role of a command; `None` if the command needs the owner.
fn login(command: &str) -> Option<&'static str> {
    match command {
        "handler" => Some("writer"),
        "fetch" | "verify" | "dlq" => Some("reader"),
        "push" => Some("push"),
        "ingest" | "scheduler" | "round" => Some("scheduler"),
        _ => None,
    }
}

/// A queue with its dead letters, a database and a Redis database, and how processes connect to them.
pub(super) struct Services {
    pub(super) database: Database,
    /// A PostgreSQL server that no other game uses.
    pub(super) own_server: Option<Server>,
    inboxes: &'static sqs::Server,
    queue: Made,
    pub(super) board_url: String,
    lines: Option<Lines>,
}

/// Proxies to the servers, which a test can cut.
pub(crate) struct Lines {
    /// To the SQS server.
    pub(crate) inbox: Proxy,
    /// To PostgreSQL; `None` if it is reached directly.
    store: Option<Proxy>,
    /// To Redis.
    pub(crate) board: Proxy,
}

impl Lines {
    /// The proxy to the store, if there is one.
    pub(crate) fn store(&self) -> &Proxy {
        self.store.as_ref().expect("the store is not reached directly")
    }
}

impl Services {
    pub(super) async fn new(inboxes: &'static sqs::Server) -> Self {
        Self::with(postgres::server().await.database().await, inboxes).await
    }

    /// With its own PostgreSQL server, and proxies to the other two.
    pub(super) async fn breakable() -> Self {
        let server = Server::start().await;
        let services = Self::with(server.database().await, sqs::server()).await;
        let lines = Lines {
            inbox: Proxy::start(address(services.inboxes)),
            store: None,
            board: Proxy::start(redis::server().address()),
        };
        Self { own_server: Some(server), lines: Some(lines), ..services }
    }

    async fn with(database: Database, inboxes: &'static sqs::Server) -> Self {
        let queue = inboxes.make("inbox", QueueOptions::default()).await;
        Self { database, own_server: None, inboxes, queue, board_url: redis::server().url(), lines: None }
    }

    /// Makes the game's processes connect through proxies that can be cut.
    pub(super) async fn cuttable(self) -> Self {
        let lines = Lines {
            inbox: Proxy::start(address(self.inboxes)),
            store: Some(Proxy::start(postgres::server().await.address())),
            board: Proxy::start(redis::server().address()),
        };
        Self { lines: Some(lines), ..self }
    }

    pub(super) fn lines(&self) -> &Lines {
        self.lines.as_ref().expect("the place was made with lines that can be cut")
    }

    /// Replaces the queue, with a new one if none is given; returns the previous one.
    pub(super) async fn change_queue(&mut self, other: Option<Made>) -> Made {
        let other = match other {
            Some(other) => other,
            None => self.inboxes.make("inbox", QueueOptions::default()).await,
        };
        std::mem::replace(&mut self.queue, other)
    }

    /// The environment of a process with this command. `granted`: the database roles exist, and each part of the game
    /// logs in with its own.
    pub(super) fn environment(&self, command: &str, granted: bool) -> Vec<(&'static str, String)> {
        let store_url = match login(command).filter(|_| granted) {
            Some(role) => self.database.url_as(&format!("buttonparty_{role}"), PASSWORD),
            None => self.database.url(),
        };
        let lines = self.lines.as_ref();
        let via = |url: String, line: Option<&Proxy>| match line {
            Some(line) => through(&url, line),
            None => url,
        };
        let store_url = via(store_url, lines.and_then(|lines| lines.store.as_ref()));
        let board_url = via(self.board_url.clone(), lines.map(|lines| &lines.board));
        let endpoint_url = via(self.inboxes.address().to_owned(), lines.map(|lines| &lines.inbox));
        vec![
            ("BUTTONPARTY_QUEUE_URL", format!("sqs:{}", self.queue.queue_url)),
            ("BUTTONPARTY_STORE_URL", store_url),
            ("BUTTONPARTY_BOARD_URL", board_url),
            ("BUTTONPARTY_WRITER_PASSWORD", PASSWORD.to_owned()),
            ("BUTTONPARTY_READER_PASSWORD", PASSWORD.to_owned()),
            ("BUTTONPARTY_PUSH_PASSWORD", PASSWORD.to_owned()),
            ("BUTTONPARTY_SCHEDULER_PASSWORD", PASSWORD.to_owned()),
            ("AWS_ENDPOINT_URL_SQS", endpoint_url),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }

    /// How the test itself connects to the queue, past all proxies.
    pub(super) fn queue(&self) -> Service {
        Service {
            queue_url: self.queue.queue_url.clone(),
            endpoint_url: Some(self.inboxes.address().to_owned()),
            region: Some(REGION.to_owned()),
            access_key: Some(AccessKey { id: KEY.to_owned(), secret: KEY.to_owned() }),
        }
    }
}

fn address(server: &sqs::Server) -> SocketAddr {
    server.address().trim_start_matches("http://").parse().unwrap()
}

/// The URL with host and port of the proxy.
fn through(url: &str, line: &Proxy) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(authority, path)| (authority, format!("/{path}")));
    let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
    format!("{scheme}://{user}{}{path}", line.address())
}
