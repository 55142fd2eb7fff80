//! The game's two files, seen past the game: commands put straight into the inbox, the journal read back, and whether
//! the files are whole.

use std::collections::HashSet;
use std::path::Path;

use game::{Action, Add, Round, Username, partition_of};
use queue::{Options, Outgoing, Queue};
use server::clock::Clock;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use store::{Scheduled, Stage, Store};
use wire::{Entry, EnvelopeBuilder};

use crate::support::{eventually, now_ms, run};

/// The file of the inbox in a data folder.
pub(crate) const INBOX: &str = "inbox.sqlite";
/// The file of the store in a data folder.
pub(crate) const GAME: &str = "game.sqlite";
/// How far apart rounds of the past opened, in milliseconds, and how long each of them lasted. Far enough apart for
/// any extender.
const PAST_GAP_MS: i64 = 11_000;
const PAST_WINDOW_MS: i64 = 2_000;

/// A connection of its own to one of the files.
pub(crate) async fn open(path: &Path) -> SqliteConnection {
    let wait = std::time::Duration::from_secs(10);
    SqliteConnectOptions::new().filename(path).busy_timeout(wait).connect().await.unwrap()
}

/// The inbox of a data folder, made when there is none.
pub(crate) async fn inbox(folder: &Path) -> Queue {
    Queue::open_sqlite(&folder.join(INBOX), Options::default(), Clock::System.as_fn()).await.unwrap()
}

/// Asserts that SQLite finds both files whole.
pub(crate) async fn assert_intact(folder: &Path) {
    for file in [INBOX, GAME] {
        let mut connection = open(&folder.join(file)).await;
        let said: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.unwrap();
        assert_eq!(said, ["ok"], "{file}");
    }
}

/// Asserts that `verify` finds the store to be what its journal says.
pub(crate) async fn assert_verified(folder: &Path, settings: &[(&str, &str)]) {
    let output = run(folder, &["verify"], settings).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.trim_end().ends_with("replayed: equal"), "{text}");
}

/// Waits until everything in the inbox has been applied, and asserts that nothing was buried.
pub(crate) async fn drained(folder: &Path) {
    let inbox = inbox(folder).await;
    let backlog = eventually("the inbox is empty", || async {
        let backlog = inbox.backlog().await.unwrap();
        (backlog.messages == 0).then_some(backlog)
    });
    assert_eq!(backlog.await.dead, 0, "dead letters");
    inbox.close().await;
}

/// Puts commands into the inbox as if each had arrived at its time; the scheduler's go to every partition.
pub(crate) async fn put(folder: &Path, partitions: u16, commands: impl IntoIterator<Item = (i64, Action)>) {
    let inbox = inbox(folder).await;
    let begin = |number: usize| {
        let id = format!("past-{}-{number}", now_ms());
        (EnvelopeBuilder::new(inbox.inbox_id(), partitions, &id, wire::ENVELOPE_BYTES_MAX), id)
    };
    let mut open: Vec<_> = (0..usize::from(partitions)).map(begin).collect();
    let mut ready = Vec::new();
    let mut begun = open.len();
    let finish = |partition: u16, (builder, id): (EnvelopeBuilder, String)| Outgoing {
        partition,
        id,
        body: builder.finish(),
    };
    for (at_ms, action) in commands {
        let mut payload = Vec::new();
        wire::encode_action(&action, true, &mut payload).unwrap();
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
pub(crate) async fn put_past(folder: &Path, partitions: u16, players: &[String], rounds: u64) -> u64 {
    let begin_ms = now_ms() - (i64::try_from(rounds).unwrap() + 10) * PAST_GAP_MS;
    let opens_at_ms = |id: u64| begin_ms + i64::try_from(id).unwrap() * PAST_GAP_MS;
    let rounds: Vec<_> =
        (1..=rounds).map(|id| Round::new(id, opens_at_ms(id), PAST_WINDOW_MS, 0).unwrap()).collect();
    let store = Store::sqlite(&folder.join(GAME), store::Options::default());
    store.migrate().await.unwrap();
    let schedule = store.schedule().await.unwrap();
    for round in &rounds {
        let row = Scheduled { round: *round, by_operator: true, stage: Stage::Announced, ticks_sent: 5 };
        assert_eq!(schedule.insert_if_absent(&row).await.unwrap(), row);
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
    put(folder, partitions, commands).await;
    (1..=rounds.len() as u64).map(game::curve).sum()
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
    /// When it arrived, Unix milliseconds.
    pub(crate) arrived_at_ms: i64,
    /// What it is.
    pub(crate) action: Action,
}

/// Every command that was ever applied, in order within each partition. Asserts that no id was applied twice, and that
/// nothing was buried.
pub(crate) async fn journal(folder: &Path) -> Vec<Applied> {
    let mut connection = open(&folder.join(GAME)).await;
    let rows =
        sqlx::query_as("SELECT partition, body, buried FROM journal ORDER BY partition, inbox, sequence");
    let rows: Vec<(u16, String, String)> = rows.fetch_all(&mut connection).await.unwrap();
    let (mut all, mut ids) = (Vec::new(), HashSet::new());
    for (partition, body, buried) in &rows {
        assert_eq!(buried, "[]", "{body}");
        let envelope = wire::decode(body).unwrap();
        for (index, text) in envelope.raw_entries().enumerate() {
            let entry = Entry::decode(text).unwrap();
            let id = entry.id(&envelope.id, index);
            let action = wire::decode_action(entry.payload, || id.clone()).unwrap();
            assert!(ids.insert(id.clone()), "{id} stands in the journal twice");
            all.push(Applied { partition: *partition, id, arrived_at_ms: entry.arrived_at_ms, action });
        }
    }
    all
}
