//! The top of a partition: kept in the writer's memory, stored as a small snapshot when it changed. What must be read
//! or written for it is the backend's part.

use std::collections::{HashMap, HashSet};

use game::bounds::TOP_STORED_MAX;
use game::{DisplayName, Standing, Top, Username, World, merge_tops};

use ledger::json_rows;

use crate::columns::valid;
use crate::{Error, TopEntry, TopRow};

/// The names that players are shown by, as far as they have one.
pub(crate) type Names = HashMap<Username, Option<DisplayName>>;

/// The top of a partition, and what of it is stored.
#[derive(Debug)]
pub(crate) struct Board {
    top: Top,
    stored: Vec<TopEntry>,
}

impl Board {
    /// The board of a partition of which nothing is stored, from its best players.
    pub(crate) fn new(best: Vec<Standing>) -> Self {
        Self { top: Top::filled(best), stored: Vec::new() }
    }

    /// A board from the text of its snapshot: who takes a partition over need not look at all of its players.
    pub(crate) fn read(snapshot: &str) -> Result<Self, Error> {
        let stored = parse(snapshot)?;
        Ok(Self { top: Top::recalled(stored.iter().map(|entry| entry.standing.clone())), stored })
    }

    /// Takes in what a batch changed. `false`: too few are left, and the best players must be read again.
    pub(crate) fn change(&mut self, world: &World) -> bool {
        for (username, player) in world.changed() {
            let before = world.changes.players.get(username).and_then(Option::as_ref);
            self.top.change(before, Standing::of(username, player));
        }
        !self.top.is_thin()
    }

    /// Takes in the best players of the partition, read after the batch.
    pub(crate) fn refill(&mut self, best: Vec<Standing>) {
        self.top = Top::filled(best);
    }

    /// Whose names are known from nowhere: not from the batch, and not from the snapshot before. Who enters because
    /// others fell need not be in either.
    pub(crate) fn nameless(&self, world: &World) -> Vec<&str> {
        let before: HashSet<&Username> = self.stored.iter().map(|entry| &entry.standing.username).collect();
        let usernames = self.top.stored().map(|standing| &standing.username);
        usernames
            .filter(|username| !before.contains(username) && !world.players.contains_key(*username))
            .map(Username::as_str)
            .collect()
    }

    /// The text of the new snapshot, if it is another one than before. `read` are the names of the nameless.
    pub(crate) fn store(&mut self, world: &World, mut read: Names) -> Result<Option<String>, Error> {
        let known = self.stored.iter().map(|entry| (entry.standing.username.clone(), entry.name.clone()));
        read.extend(known);
        let entry = |standing: &Standing| {
            let name = match world.players.get(&standing.username) {
                Some(player) => player.name.clone(),
                None => read.get(&standing.username).cloned().flatten(),
            };
            TopEntry { standing: standing.clone(), name }
        };
        let stored: Vec<TopEntry> = self.top.stored().map(entry).collect();
        if stored == self.stored {
            return Ok(None);
        }
        self.stored = stored;
        Ok(Some(text(&self.stored)?))
    }
}

/// The first `limit` places of all partitions together, from the texts of their snapshots.
pub(crate) fn merge(snapshots: &[impl AsRef<str>], limit: usize) -> Result<Vec<TopRow>, Error> {
    let mut all = Vec::new();
    for snapshot in snapshots {
        all.extend(parse(snapshot.as_ref())?.into_iter().map(|entry| (entry.standing, entry.name)));
    }
    let merged = merge_tops(all, limit.min(TOP_STORED_MAX)).into_iter();
    let row = |(rank, Standing { username, score, .. }, name)| TopRow { rank, username, name, score };
    Ok(merged.map(row).collect())
}

fn text(entries: &[TopEntry]) -> Result<String, Error> {
    let rows =
        entries.iter().map(|TopEntry { standing: Standing { score, reached_at_ms, username }, name }| {
            (score, reached_at_ms, username.as_str(), name.as_ref().map(DisplayName::as_str))
        });
    json_rows(&rows.collect::<Vec<_>>())
}

/// A snapshot from its text.
pub(crate) fn parse(text: &str) -> Result<Vec<TopEntry>, Error> {
    let rows: Vec<(u64, i64, String, Option<String>)> = valid(serde_json::from_str(text))?;
    let entries = rows.into_iter().map(|(score, reached_at_ms, username, name)| {
        let username = valid(Username::new(&username))?;
        let name = valid(name.as_deref().map(DisplayName::new).transpose())?;
        Ok(TopEntry { standing: Standing { score, reached_at_ms, username }, name })
    });
    entries.collect()
}
