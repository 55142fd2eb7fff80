//! The top of a partition: kept in the writer's memory, stored as a small snapshot when it changed.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use game::bounds::TOP_KEPT_MAX;
use game::{DisplayName, Standing, Top, Username, World};
use sqlx::SqliteConnection;

use super::columns::{Columns, valid};
use super::json::{self, Rows};
use crate::{BoardEntry, Error};

/// The top of a partition, and what of it is stored.
#[derive(Debug)]
pub(super) struct Board {
    top: Top,
    stored: Vec<BoardEntry>,
}

/// Brings the top and its snapshot up to date with a batch that has just been written. `None` stays `None` until a
/// player changes.
pub(super) async fn update(
    connection: &mut SqliteConnection,
    partition: u16,
    board: Option<Board>,
    world: &World,
) -> Result<Option<Board>, Error> {
    if world.changes.players.is_empty() {
        return Ok(board);
    }
    let Board { mut top, stored: before } = match board {
        Some(mut board) => {
            for (username, player) in world.changed() {
                let before = world.changes.players.get(username).and_then(Option::as_ref);
                board.top.change(before, Standing::of(username, player));
            }
            board
        }
        None => Board {
            top: scan(connection, partition).await?,
            stored: load(connection, partition).await?.unwrap_or_default(),
        },
    };
    if top.is_thin() {
        top = scan(connection, partition).await?;
    }
    let stored = entries(connection, partition, &top, &before, world).await?;
    if stored != before {
        const STORE: &str = "INSERT INTO board (partition, snapshot) VALUES (?, ?)
            ON CONFLICT (partition) DO UPDATE SET snapshot = excluded.snapshot";
        sqlx::query(STORE).bind(partition).bind(text(&stored)).execute(connection).await?;
    }
    Ok(Some(Board { top, stored }))
}

/// The best players of a partition, from its players.
async fn scan(connection: &mut SqliteConnection, partition: u16) -> Result<Top, Error> {
    const SCAN: &str = "SELECT score, reached_at_ms, username FROM players WHERE partition = ?
        ORDER BY score DESC, reached_at_ms, username LIMIT ?";
    let limit = i64::try_from(TOP_KEPT_MAX).unwrap_or(i64::MAX);
    let mut rows = sqlx::query(SCAN).bind(partition).bind(limit).fetch(connection);
    let mut best = Vec::with_capacity(TOP_KEPT_MAX);
    while let Some(row) = rows.try_next().await? {
        best.push(standing(&mut Columns::of(&row))?);
    }
    Ok(Top::filled(best))
}

/// A standing from `score, reached_at_ms, username`.
pub(super) fn standing(columns: &mut Columns<'_>) -> Result<Standing, Error> {
    Ok(Standing { score: columns.u64()?, reached_at_ms: columns.int()?, username: columns.username()? })
}

/// What is to be stored. A name comes from the batch, else from the snapshot before, else from the player's row: who
/// enters because others fell need not be in either.
async fn entries(
    connection: &mut SqliteConnection,
    partition: u16,
    top: &Top,
    before: &[BoardEntry],
    world: &World,
) -> Result<Vec<BoardEntry>, Error> {
    let mut names: HashMap<&Username, Option<DisplayName>> =
        before.iter().map(|entry| (&entry.standing.username, entry.name.clone())).collect();
    let stored: Vec<&Standing> = top.stored().collect();
    for standing in &stored {
        if let Some(player) = world.players.get(&standing.username) {
            names.insert(&standing.username, player.name.clone());
        }
    }
    let unknown = stored.iter().map(|standing| &standing.username);
    let unknown: Vec<&Username> = unknown.filter(|username| !names.contains_key(username)).collect();
    let read = read_names(connection, partition, &unknown).await?;
    let entry = |standing: &&Standing| {
        let name = names.get(&standing.username).or_else(|| read.get(&standing.username));
        BoardEntry { standing: (*standing).clone(), name: name.cloned().flatten() }
    };
    Ok(stored.iter().map(entry).collect())
}

async fn read_names(
    connection: &mut SqliteConnection,
    partition: u16,
    usernames: &[&Username],
) -> Result<HashMap<Username, Option<DisplayName>>, Error> {
    let mut names = HashMap::new();
    if usernames.is_empty() {
        return Ok(names);
    }
    const NAMES: &str = "SELECT p.username, p.name FROM json_each(?2) AS k CROSS JOIN players AS p
        ON p.partition = ?1 AND p.username = k.value";
    let usernames = json::texts(usernames.iter().map(|username| username.as_str()));
    for row in sqlx::query(NAMES).bind(partition).bind(usernames).fetch_all(connection).await? {
        let mut columns = Columns::of(&row);
        names.insert(columns.username()?, columns.name()?);
    }
    Ok(names)
}

async fn load(connection: &mut SqliteConnection, partition: u16) -> Result<Option<Vec<BoardEntry>>, Error> {
    let snapshot = "SELECT snapshot FROM board WHERE partition = ?";
    let text: Option<String> =
        sqlx::query_scalar(snapshot).bind(partition).fetch_optional(connection).await?;
    text.map(|text| parse(&text)).transpose()
}

fn text(entries: &[BoardEntry]) -> String {
    let mut rows = Rows::new();
    for BoardEntry { standing, name } in entries {
        rows.row()
            .int(standing.score.cast_signed())
            .int(standing.reached_at_ms)
            .text(standing.username.as_str())
            .opt_text(name.as_ref().map(|name| name.as_str()))
            .end();
    }
    rows.finish()
}

/// A snapshot from its text.
pub(super) fn parse(text: &str) -> Result<Vec<BoardEntry>, Error> {
    let rows: Vec<(u64, i64, String, Option<String>)> = valid(serde_json::from_str(text))?;
    let entries = rows.into_iter().map(|(score, reached_at_ms, username, name)| {
        let username = valid(Username::new(&username))?;
        let name = valid(name.as_deref().map(DisplayName::new).transpose())?;
        Ok(BoardEntry { standing: Standing { score, reached_at_ms, username }, name })
    });
    entries.collect()
}
