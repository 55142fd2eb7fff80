//! Access to a game past its processes: commands put directly into the inbox, the journal, and integrity checks.

use std::collections::HashSet;
use std::path::Path;

use engine::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeBuilder};
use game::{Action, Add, Round, Stamps, Username, partition_of};
use queue::{Backlog, Outgoing};
use servers::proxy::Proxy;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, SqliteConnection};
use store::{Position, Scheduled, Stage, State};

use super::{GAME, INBOX, Place, Stack};
use crate::support::{eventually, now_ms, run};

/// Time between openings of past rounds, in milliseconds, and their duration. No extender makes two of them overlap.
const PAST_GAP_MS: i64 = 11_000;
const PAST_WINDOW_MS: i64 = 2_000;
/// Number of journal messages per read.
const JOURNAL_PAGE: u32 = 1_000;

/// A separate connection to one of the files.
pub(crate) async fn open(path: &Path) -> SqliteConnection {
    let wait = std::time::Duration::from_secs(10);
    SqliteConnectOptions::new().filename(path).busy_timeout(wait).connect().await.unwrap()
}

impl Place {
    /// Asserts that SQLite finds both files intact; servers check their own.
    pub(crate) async fn assert_intact(&self) {
        if self.stack() == Stack::Embedded {
            assert_intact(self.folder()).await;
        }
    }

    /// Asserts that `verify` finds no difference between store and journal.
    pub(crate) async fn assert_verified(&self, settings: &[(&str, &str)]) {
        let output = run(self, &["verify"], settings).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.trim_end().ends_with("replayed: equal"), "{text}");
    }

    /// Waits until every message in the inbox is applied or a dead letter, as long as the backlog shrinks.
    pub(crate) async fn emptied(&self) -> Backlog {
        let inbox = self.inbox().await;
        let mut backlog = inbox.backlog().await.unwrap();
        while backlog.messages > 0 {
            let before = backlog.messages;
            backlog = eventually("the inbox gets emptier", || async {
                let backlog = inbox.backlog().await.unwrap();
                (backlog.messages < before).then_some(backlog)
            })
            .await;
        }
        inbox.close().await;
        backlog
    }

    /// Waits until every message in the inbox is applied; asserts that there are no dead letters.
    pub(crate) async fn drained(&self) {
        assert_eq!(self.emptied().await.dead, 0, "dead letters");
    }

    /// Blocks the game's access to its inbox until the result is dropped. The place must be
    /// [`cuttable`](Place::cuttable).
    pub(crate) async fn block_inbox(&self) -> Blocked<'_> {
        if self.stack() == Stack::Services {
            let line = &self.lines().inbox;
            line.cut();
            return Blocked::Line(line);
        }
        let mut holder = open(&self.folder().join(INBOX)).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
        Blocked::File { _holder: holder }
    }

    /// Changes the store past its processes, to the state that a crash at a certain moment leaves.
    pub(crate) async fn change_store(&self, statement: &'static str) {
        if self.stack() == Stack::Embedded {
            return change(&self.folder().join(GAME), statement).await;
        }
        let mut connection = self.database().await;
        let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
        assert_ne!(changed.rows_affected(), 0, "{statement}");
        connection.close().await.unwrap();
    }

    /// A separate connection to the database of [`Stack::Services`].
    pub(crate) async fn database(&self) -> PgConnection {
        self.services().database.connect().await
    }

    /// Restores a dump into the empty database of [`Stack::Services`].
    pub(crate) async fn restore(&self, dump: &str) {
        self.services().database.execute(dump).await;
    }

    /// Changes the embedded inbox past its processes.
    pub(crate) async fn change_inbox_file(&self, statement: &'static str) {
        change(&self.folder().join(INBOX), statement).await;
    }

    /// All rows of the store that follow from the journal.
    pub(crate) async fn state(&self) -> State {
        let reader = self.store().reader().await.unwrap();
        let state = reader.audit().await.unwrap().state().await.unwrap();
        reader.close().await;
        state
    }
}

async fn change(file: &Path, statement: &'static str) {
    let mut connection = open(file).await;
    let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
    assert_ne!(changed.rows_affected(), 0, "{statement}");
    connection.close().await.unwrap();
}

/// A block of a game's inbox; dropped to unblock it.
pub(crate) enum Blocked<'a> {
    /// A connection with an open transaction, which is rolled back when it closes.
    File { _holder: SqliteConnection },
    /// A proxy that is cut.
    Line(&'a Proxy),
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        if let Self::Line(line) = self {
            line.mend();
        }
    }
}

/// Asserts that SQLite finds both files of a folder intact.
pub(crate) async fn assert_intact(folder: &Path) {
    for file in [INBOX, GAME] {
        let mut connection = open(&folder.join(file)).await;
        let said: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.unwrap();
        assert_eq!(said, ["ok"], "{file}");
    }
}

impl Place {
    /// Puts commands into the inbox as if each had arrived at its time; the scheduler's go to every partition.
    pub(crate) async fn put(&self, partitions: u16, commands: impl IntoIterator<Item = (i64, Action)>) {
        let inbox = self.inbox().await;
        let begin = |number: usize| {
            let id = format!("past-{}-{number}", now_ms());
            (EnvelopeBuilder::new(inbox.inbox_id(), partitions, &id, ENVELOPE_BYTES_MAX), id)
        };
        let mut open: Vec<_> = (0..usize::from(partitions)).map(begin).collect();
        let mut ready = Vec::new();
        let mut begun = open.len();
        let finish = |partition: u16, (builder, id): (EnvelopeBuilder, String)| Outgoing {
            partition,
            id,
            body: builder.finish(),
            quiet: false,
        };
        for (at_ms, action) in commands {
            let mut payload = Vec::new();
            wire::encode_action(&action, &mut payload).unwrap();
            let own = action.username().map(|username| partition_of(username.as_str(), partitions));
            for partition in own.map_or(0..partitions, |own| own..own + 1) {
                let slot = &mut open[usize::from(partition)];
                if slot.0.push(None, at_ms, &payload).is_none() {
                    begun += 1;
                    ready.push(finish(partition, std::mem::replace(slot, begin(begun))));
                    assert!(slot.0.push(None, at_ms, &payload).is_some());
                }
            }
        }
        ready.extend((0..).zip(open).map(|(partition, slot)| finish(partition, slot)));
        for result in inbox.send(&ready).await {
            result.unwrap();
        }
        inbox.close().await;
    }

    /// Creates the past of a new game in its inbox and schedule: these players pressed in each of this many finished
    /// rounds. Returns the score of each player.
    pub(crate) async fn put_past(&self, partitions: u16, players: &[String], rounds: u64) -> u64 {
        let begin_ms = now_ms() - (i64::try_from(rounds).unwrap() + 10) * PAST_GAP_MS;
        let opens_at_ms = |id: u64| begin_ms + i64::try_from(id).unwrap() * PAST_GAP_MS;
        let rounds: Vec<_> =
            (1..=rounds).map(|id| Round::new(id, opens_at_ms(id), PAST_WINDOW_MS, 0).unwrap()).collect();
        let store = self.store();
        store.migrate().await.unwrap();
        let schedule = store.schedule().await.unwrap();
        for round in &rounds {
            let row = Scheduled { round: *round, by_operator: true, stage: Stage::Announced, ticks_sent: 5 };
            assert!(schedule.insert_if_absent(&row).await.unwrap());
        }
        schedule.close().await;
        let usernames: Vec<_> = players.iter().map(|name| Username::new(name).unwrap()).collect();
        let mut commands: Vec<_> = usernames.iter().map(|username| (begin_ms, add(username))).collect();
        for round in &rounds {
            commands.push((round.opens_at_ms - 100, Action::Announce(*round)));
            let press =
                |username: &Username| (round.opens_at_ms + 5, Action::Press { username: username.clone() });
            commands.extend(usernames.iter().map(press));
        }
        self.put(partitions, commands).await;
        (1..=rounds.len() as u64).map(game::curve).sum()
    }

    /// All applied commands, in order within each partition. Asserts that no id was applied twice, and that there are
    /// no dead letters.
    pub(crate) async fn journal(&self) -> Vec<Applied> {
        let reader = self.store().reader().await.unwrap();
        let mut audit = reader.audit().await.unwrap();
        let (mut all, mut ids) = (Vec::new(), HashSet::new());
        for (partition, _) in audit.positions().await.unwrap() {
            let mut after = Position::default();
            loop {
                let page = audit.journal(partition, after, JOURNAL_PAGE).await.unwrap();
                let Some(last) = page.last() else { break };
                after = last.position;
                for message in &page {
                    assert!(message.buried.is_empty(), "{}", message.body);
                    let envelope = Envelope::decode(&message.body).unwrap();
                    for entry in envelope.entries() {
                        let entry = entry.unwrap();
                        let id = entry.id();
                        let action = wire::decode_action(entry.payload, || id.clone()).unwrap();
                        assert!(ids.insert(id.clone()), "{id} stands in the journal twice");
                        let (arrived_at_ms, stored_at_ms) = (entry.arrived_at_ms, message.stored_at_ms);
                        let stamps = Stamps { arrived_at_ms, stored_at_ms };
                        all.push(Applied { partition, id, stamps, action });
                    }
                }
            }
        }
        drop(audit);
        reader.close().await;
        all
    }
}

/// A player joins.
pub(crate) fn add(username: &Username) -> Action {
    Action::Add(Add { username: username.clone(), name: None, platform: None, token: None })
}

/// A command of the journal.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The partition in whose journal it is.
    pub(crate) partition: u16,
    /// Its id.
    pub(crate) id: String,
    /// Arrival and storage time.
    pub(crate) stamps: Stamps,
    /// What it is.
    pub(crate) action: Action,
}
