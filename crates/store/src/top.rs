//! The top of a partition: its best players, kept in memory from batch to batch and stored as a small snapshot, in
//! table `board`, whenever it has changed. Reads merge the snapshots of all partitions.

use std::collections::{HashMap, HashSet};

use game::bounds::TOP_STORED_MAX;
use game::{DisplayName, Standing, Top, Username, World, merge_tops};
use ledger::{Session, json_rows};

use crate::columns::valid;
use crate::session::each;
use crate::{Error, TopEntry, TopRow};

/// The display names of players, as far as they have one.
pub(crate) type Names = HashMap<Username, Option<DisplayName>>;

/// The top of a partition, and what of it is stored.
#[derive(Debug)]
pub(crate) struct PartitionTop {
    top: Top,
    stored: Vec<TopEntry>,
}

/// Brings the top and its snapshot up to date with a batch that has just been written. `None` stays `None` until a
/// player changes.
pub(crate) async fn update(
    mut session: Session<'_>,
    partition: u16,
    top: Option<PartitionTop>,
    world: &World,
) -> Result<Option<PartitionTop>, Error> {
    if world.changes.players.is_empty() {
        return Ok(top);
    }
    let known = match top {
        Some(top) => Some(top),
        None => {
            let snapshot = each!(session.reborrow(), top::read_snapshot(partition))?;
            snapshot.as_deref().map(PartitionTop::read).transpose()?
        }
    };
    let top = match known {
        Some(mut top) => {
            if !top.change(world) {
                top.top = Top::filled(each!(session.reborrow(), top::best(partition))?);
            }
            top
        }
        None => PartitionTop::new(each!(session.reborrow(), top::best(partition))?),
    };
    Ok(Some(store(session, partition, top, world).await?))
}

/// Makes the snapshot of a partition that has none, from its players, if it has any.
pub(crate) async fn make(mut session: Session<'_>, partition: u16) -> Result<(), Error> {
    let top = PartitionTop::new(each!(session.reborrow(), top::best(partition))?);
    store(session, partition, top, &World::default()).await?;
    Ok(())
}

/// Writes the snapshot, if it is another one than before.
async fn store(
    mut session: Session<'_>,
    partition: u16,
    mut top: PartitionTop,
    world: &World,
) -> Result<PartitionTop, Error> {
    let unnamed = top.unnamed(world);
    let names = each!(session.reborrow(), top::names(partition, &unnamed))?;
    if let Some(snapshot) = top.next_snapshot(world, names)? {
        each!(session, top::write_snapshot(partition, &snapshot))?;
    }
    Ok(top)
}

impl PartitionTop {
    /// The top of a partition of which nothing is stored, from its best players.
    fn new(best: Vec<Standing>) -> Self {
        Self { top: Top::filled(best), stored: Vec::new() }
    }

    /// The top from the text of its snapshot: whoever takes a partition over need not read all of its players.
    fn read(snapshot: &str) -> Result<Self, Error> {
        let stored = parse(snapshot)?;
        Ok(Self { top: Top::recalled(stored.iter().map(|entry| entry.standing.clone())), stored })
    }

    /// Takes in what a batch changed. `false`: too few are left, and the best players must be read again.
    fn change(&mut self, world: &World) -> bool {
        for (username, player) in world.changed() {
            let before = world.changes.players.get(username).and_then(Option::as_ref);
            self.top.change(before, Standing::of(username, player));
        }
        !self.top.is_thin()
    }

    /// Players of the top whose display name is neither in the batch nor in the snapshot before: those who enter
    /// because others fell.
    fn unnamed(&self, world: &World) -> Vec<&str> {
        let before: HashSet<&Username> = self.stored.iter().map(|entry| &entry.standing.username).collect();
        let usernames = self.top.stored().map(|standing| &standing.username);
        usernames
            .filter(|username| !before.contains(username) && !world.players.contains_key(*username))
            .map(Username::as_str)
            .collect()
    }

    /// The text of the new snapshot, if it is another one than before. `read` are the names of [`Self::unnamed`].
    fn next_snapshot(&mut self, world: &World, mut read: Names) -> Result<Option<String>, Error> {
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
