//! A game seen past its processes: commands put straight into the inbox, the journal read back, and whether everything
//! is whole.

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

/// How far apart rounds of the past opened, in milliseconds, and how long each of them lasted. Far enough apart for
/// any extender.
const PAST_GAP_MS: i64 = 11_000;
const PAST_WINDOW_MS: i64 = 2_000;
/// Messages of the journal that are read at a time.
const JOURNAL_PAGE: u32 = 1_000;

/// A connection of its own to one of the files.
pub(crate) async fn open(path: &Path) -> SqliteConnection {
    let wait = std::time::Duration::from_secs(10);
    SqliteConnectOptions::new().filename(path).busy_timeout(wait).connect().await.unwrap()
}

impl Place {
    /// Asserts that SQLite finds both files whole; servers look after their own.
    pub(crate) async fn assert_intact(&self) {
        if self.stack() == Stack::Embedded {
            assert_intact(self.folder()).await;
        }
    }

    /// Asserts that `verify` finds the store to be what its journal says.
    pub(crate) async fn assert_verified(&self, settings: &[(&str, &str)]) {
        let output = run(self, &["verify"], settings).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.trim_end().ends_with("replayed: equal"), "{text}");
    }

    /// Waits until everything in the inbox has been applied or buried, for as long as there is less and less of it.
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

    /// Waits until everything in the inbox has been applied, and asserts that nothing was buried.
    pub(crate) async fn drained(&self) {
        assert_eq!(self.emptied().await.dead, 0, "dead letters");
    }

    /// Keeps the game from its inbox for as long as what is returned is held. The place must be
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

    /// Changes the store behind the backs of its processes, so that it is as a crash at a certain moment leaves it.
    pub(crate) async fn change_store(&self, statement: &'static str) {
        if self.stack() == Stack::Embedded {
            return change(&self.folder().join(GAME), statement).await;
        }
        let mut connection = self.database().await;
        let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
        assert_ne!(changed.rows_affected(), 0, "{statement}");
        connection.close().await.unwrap();
    }

    /// A connection of its own to the database of [`Stack::Services`].
    pub(crate) async fn database(&self) -> PgConnection {
        self.services().database.connect().await
    }

    /// Restores a dump into the empty database of [`Stack::Services`].
    pub(crate) async fn restore(&self, dump: &str) {
        self.services().database.execute(dump).await;
    }

    /// Changes the embedded inbox in the same way.
    pub(crate) async fn change_inbox_file(&self, statement: &'static str) {
        change(&self.folder().join(INBOX), statement).await;
    }

    /// Everything in the store that follows from the journal.
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

/// What keeps a game from its inbox until it is dropped.
pub(crate) enum Blocked<'a> {
    /// A connection with a transaction, which its end rolls back.
    File { _holder: SqliteConnection },
    /// A line that is cut.
    Line(&'a Proxy),
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        if let Self::Line(line) = self {
            line.mend();
        }
    }
}

/// Asserts that SQLite finds both files of a folder whole.
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

    /// What a game looks like in which these players have pressed in each of so many rounds, all of them long over: put
    /// into the inbox and the scheduler's table of a new game. Returns the score that each of them has.
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

    /// Every command that was ever applied, in order within each partition. Asserts that no id was applied twice, and that
    /// nothing was buried.
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
    /// The partition in which it stands.
    pub(crate) partition: u16,
    /// Its id.
    pub(crate) id: String,
    /// When it arrived, and when it was stored.
    pub(crate) stamps: Stamps,
    /// What it is.
    pub(crate) action: Action,
}
