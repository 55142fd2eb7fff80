//! Phones that send commands to a running game, even while it is killed and restarted, and record the answer to each
//! command.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use game::Action;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::place::Applied;
use crate::support::DEADLINE;

/// How long a phone without an answer waits for a new address before it retries the old one.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// 202: it counts exactly once.
    Taken {
        /// The id of the command.
        id: String,
        /// Arrival time, in Unix milliseconds.
        arrived_at_ms: i64,
    },
    /// 4xx: it never counts.
    Refused(u16),
    /// 503, or no answer at all (0): it counts at most once.
    Unknown(u16),
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The player.
    pub(crate) username: String,
    /// The route: `add`, `press` or `powerups`.
    pub(crate) path: &'static str,
    /// Its `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// The answer.
    pub(crate) told: Told,
}

impl Sent {
    /// The key if it names a purchase; on other routes it has no effect.
    fn key(&self) -> Option<&str> {
        self.key.as_deref().filter(|_| self.path == "powerups")
    }
}

/// Current address of the game; phones follow it.
pub(crate) struct Address {
    url: watch::Sender<String>,
    taken: Arc<AtomicUsize>,
}

impl Address {
    /// The address of a game.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: watch::Sender::new(url.to_owned()), taken: Arc::default() }
    }

    /// Sets the address after a restart.
    pub(crate) fn moved(&self, url: &str) {
        self.url.send_replace(url.to_owned());
    }

    /// A phone that follows this address.
    pub(crate) fn phone(&self) -> Phone {
        let client = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
        Phone { client, url: self.url.subscribe(), taken: Arc::clone(&self.taken), sent: Vec::new() }
    }

    /// How many commands of all phones were accepted so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A phone with a connection of its own.
pub(crate) struct Phone {
    client: reqwest::Client,
    url: watch::Receiver<String>,
    taken: Arc<AtomicUsize>,
    /// All requests and answers, in order.
    pub(crate) sent: Vec<Sent>,
}

/// The body of a request that names only a player.
pub(crate) fn named(username: &str) -> Value {
    json!({ "username": username })
}

impl Phone {
    /// Sends a command once.
    pub(crate) async fn once(&mut self, path: &'static str, body: &Value, key: Option<&str>) -> Told {
        let url = self.url.borrow_and_update().clone();
        let mut request = self.client.post(format!("{url}/{path}")).body(body.to_string());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let told = told(request).await;
        match told {
            Told::Taken { .. } => _ = self.taken.fetch_add(1, Ordering::Relaxed),
            // The game is down and will be back, perhaps at another address.
            Told::Unknown(0) => _ = timeout(LOOK_AGAIN, self.url.wait_for(|now| *now != url)).await,
            Told::Refused(_) | Told::Unknown(_) => {}
        }
        let username = body["username"].as_str().unwrap_or_default().to_owned();
        self.sent.push(Sent { username, path, key: key.map(str::to_owned), told: told.clone() });
        told
    }

    /// Sends a command until it is accepted.
    pub(crate) async fn until_taken(&mut self, path: &'static str, body: &Value, key: Option<&str>) {
        let taken = async {
            loop {
                match self.once(path, body, key).await {
                    Told::Taken { .. } => break,
                    Told::Refused(status) => panic!("{status} to {path} {body}"),
                    Told::Unknown(_) => {}
                }
            }
        };
        timeout(DEADLINE, taken).await.expect("it is taken in time");
    }

    /// Sends a GET; returns the status and the JSON.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let url = self.url.borrow().clone();
        crate::support::answer(self.client.get(format!("{url}{path}"))).await
    }
}

async fn told(request: reqwest::RequestBuilder) -> Told {
    let Ok(response) = request.send().await else { return Told::Unknown(0) };
    let status = response.status().as_u16();
    // A truncated response counts as no answer.
    let Ok(body) = response.bytes().await else { return Told::Unknown(0) };
    let body: Value = serde_json::from_slice(&body).unwrap();
    match status {
        202 => Told::Taken {
            id: body["id"].as_str().unwrap().to_owned(),
            arrived_at_ms: body["arrived_at"].as_i64().unwrap(),
        },
        503 => Told::Unknown(503),
        400..=499 => Told::Refused(status),
        _ => panic!("{status} {body}"),
    }
}

/// Number of answers of each kind: `taken`, `refused`, `503` and `no answer`.
pub(crate) fn counts(sent: &[Sent]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for sent in sent {
        let kind = match sent.told {
            Told::Taken { .. } => "taken",
            Told::Refused(_) => "refused",
            Told::Unknown(503) => "503",
            Told::Unknown(_) => "no answer",
        };
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

/// The player, the route and the key of a command in the journal.
pub(crate) fn kind(applied: &Applied) -> (&str, &'static str, Option<&str>) {
    match &applied.action {
        Action::Add(add) => (add.username.as_str(), "add", None),
        Action::Press { username } => (username.as_str(), "press", None),
        // Without a key, the command's own id names the purchase.
        Action::Buy { username, id, .. } => {
            (username.as_str(), "powerups", Some(id.as_str()).filter(|id| *id != applied.id))
        }
        Action::Announce(_) | Action::Tick { .. } => ("", "round", None),
    }
}

/// Compares the answers with the journal. An accepted command is in the journal with the id and time of its answer. No
/// command is there more often than it was accepted or left without an answer.
pub(crate) fn assert_kept(sent: &[Sent], journal: &[Applied]) {
    let by_id: HashMap<_, _> = journal.iter().map(|applied| (&applied.id, applied)).collect();
    let mut bounds = BTreeMap::<_, (usize, usize)>::new();
    for sent in sent {
        let bound = bounds.entry((sent.username.as_str(), sent.path, sent.key())).or_default();
        match &sent.told {
            Told::Taken { id, arrived_at_ms } => {
                let applied = by_id.get(id).unwrap_or_else(|| panic!("lost: {sent:?}"));
                assert_eq!(applied.stamps.arrived_at_ms, *arrived_at_ms, "{sent:?}");
                assert_eq!(kind(applied), (sent.username.as_str(), sent.path, sent.key()));
                *bound = (bound.0 + 1, bound.1 + 1);
            }
            Told::Unknown(_) => bound.1 += 1,
            Told::Refused(_) => {}
        }
    }
    let mut found = BTreeMap::<_, usize>::new();
    for applied in journal.iter().filter(|applied| !applied.id.starts_with("past-")) {
        *found.entry(kind(applied)).or_default() += 1;
    }
    for (what, found) in &found {
        assert!(what.1 == "round" || bounds.contains_key(what), "nobody sent {what:?}");
        let (least, most) = bounds.get(what).copied().unwrap_or((1, usize::MAX));
        assert!((least..=most).contains(found), "{what:?}: {found} times, not {least} to {most}");
    }
}
