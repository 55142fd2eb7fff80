//! What one game has of its own on the servers of this test process.

use std::net::SocketAddr;

use queue::{AccessKey, Service};
use servers::postgres::{self, Database, Server};
use servers::proxy::Proxy;
use servers::redis;
use servers::sqs::{self, KEY, Made, QueueOptions, REGION};

/// A queue with its dead letters, a database, and a Redis database, and how the game's processes get there.
pub(super) struct Services {
    pub(super) server: &'static Server,
    pub(super) database: Database,
    inboxes: &'static sqs::Server,
    queue: Made,
    pub(super) board_url: String,
    lines: Option<Lines>,
}

/// Lines to the servers that a test can cut.
pub(crate) struct Lines {
    pub(crate) inbox: Proxy,
    /// `None`: it is reached directly.
    pub(crate) store: Option<Proxy>,
    pub(crate) board: Proxy,
}

impl Services {
    pub(super) async fn new(inboxes: &'static sqs::Server) -> Self {
        Self::with_store_at(postgres::server().await, inboxes).await
    }

    /// With a PostgreSQL server that no other game uses, and lines to the other two.
    pub(super) async fn breakable() -> Self {
        // Like the server that all tests share, it ends with the process.
        let server = Box::leak(Box::new(Server::start().await));
        let services = Self::with_store_at(server, sqs::server()).await;
        let lines = Lines {
            inbox: Proxy::start(address(services.inboxes)),
            store: None,
            board: Proxy::start(redis::server().address()),
        };
        Self { lines: Some(lines), ..services }
    }

    async fn with_store_at(server: &'static Server, inboxes: &'static sqs::Server) -> Self {
        let queue = inboxes.make("inbox", QueueOptions::default()).await;
        let database = server.database().await;
        Self { server, database, inboxes, queue, board_url: redis::server().url(), lines: None }
    }

    /// Has the game's processes reach the servers through lines that can be cut.
    pub(super) async fn cuttable(self) -> Self {
        let lines = Lines {
            inbox: Proxy::start(address(self.inboxes)),
            store: Some(Proxy::start(self.server.address())),
            board: Proxy::start(redis::server().address()),
        };
        Self { lines: Some(lines), ..self }
    }

    pub(super) fn lines(&self) -> &Lines {
        self.lines.as_ref().expect("the place was made with lines that can be cut")
    }

    /// Puts another queue, a new one if none is given, in the place of the present one, which is returned.
    pub(super) async fn change_queue(&mut self, other: Option<Made>) -> Made {
        let other = match other {
            Some(other) => other,
            None => self.inboxes.make("inbox", QueueOptions::default()).await,
        };
        std::mem::replace(&mut self.queue, other)
    }

    /// What the processes are told of all this.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut endpoint_url = self.inboxes.address().to_owned();
        let (mut store_url, mut board_url) = (self.database.url(), self.board_url.clone());
        if let Some(Lines { inbox, store, board }) = &self.lines {
            store_url = store.as_ref().map_or(store_url.clone(), |store| through(&store_url, store));
            board_url = through(&board_url, board);
            endpoint_url = through(&endpoint_url, inbox);
        }
        vec![
            ("BUTTONPARTY_QUEUE_URL", format!("sqs:{}", self.queue.queue_url)),
            ("BUTTONPARTY_STORE_URL", store_url),
            ("BUTTONPARTY_BOARD_URL", board_url),
            ("AWS_ENDPOINT_URL_SQS", endpoint_url),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }

    /// How the test itself gets to the queue, past all lines.
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

/// This URL with the line's end in place of host and port.
fn through(url: &str, line: &Proxy) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(authority, path)| (authority, format!("/{path}")));
    let user = authority.rsplit_once('@').map_or(String::new(), |(user, _)| format!("{user}@"));
    format!("{scheme}://{user}{}{path}", line.address())
}
