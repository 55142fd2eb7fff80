//! The state that the journal determines, read from the database or built from replayed worlds, so that both can be
//! compared.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write as _};

use game::bounds::TOP_STORED_MAX;
use game::{
    Device, Fnv1a, KnownRound, Player, PurchaseId, PurchaseOutcome, Standing, Token, Username, World,
};

use crate::columns::Columns;
use crate::{Error, TopEntry, top};

/// The tables that the journal determines, each in the order of its key. The number in a key is the partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub players: BTreeMap<(u16, Username), Player>,
    pub purchases: BTreeMap<(u16, Username, PurchaseId), PurchaseOutcome>,
    /// Each with the partition of its owner.
    pub devices: BTreeMap<Token, (u16, Device)>,
    /// By partition and id.
    pub rounds: BTreeMap<(u16, u64), KnownRound>,
    /// The time up to which each partition has applied all arrivals, in Unix milliseconds.
    pub applied_through_ms: BTreeMap<u16, i64>,
    /// The stored top of each partition that has players.
    pub tops: BTreeMap<u16, Vec<TopEntry>>,
}

/// A table of [`State`] that both backends select with the same statement; `players` is none of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Table {
    Purchases,
    Devices,
    Rounds,
    Partitions,
    Tops,
}

impl Table {
    pub(crate) const ALL: [Self; 5] =
        [Self::Purchases, Self::Devices, Self::Rounds, Self::Partitions, Self::Tops];

    /// The statement for [`State::add_row`].
    pub(crate) fn select(self) -> &'static str {
        match self {
            Self::Purchases => "SELECT partition, username, id, outcome FROM purchases",
            Self::Devices => "SELECT token, partition, arrived_at_ms, username, platform FROM devices",
            Self::Rounds => "SELECT partition, id, opens_at_ms, window_ms, grace_ms, late FROM rounds",
            Self::Partitions => "SELECT partition, applied_through_ms FROM partitions",
            Self::Tops => "SELECT partition, snapshot FROM board",
        }
    }
}

/// The digest of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableDigest {
    pub table: &'static str,
    pub rows: usize,
    /// A hash over all rows. Only comparable within one build of the program.
    pub digest: u64,
}

/// A row in which two states differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub key: String,
    /// The row in the first state; `None` if it is missing.
    pub this: Option<String>,
    /// The row in the second state; `None` if it is missing.
    pub other: Option<String>,
}

impl State {
    /// Adds a partition from the world of a complete replay that still contains all its changes.
    pub fn add_world(&mut self, partition: u16, world: &World) {
        for (username, player) in &world.players {
            self.players.insert((partition, username.clone()), player.clone());
        }
        for ((username, id), outcome) in &world.purchases {
            self.purchases.insert((partition, username.clone(), id.clone()), *outcome);
        }
        for (token, claim) in &world.changes.devices {
            let rank = |device: &Device| (device.arrived_at_ms, device.username.clone());
            match self.devices.get(token) {
                Some((_, owner)) if rank(owner) > rank(claim) => {}
                _ => _ = self.devices.insert(token.clone(), (partition, claim.clone())),
            }
        }
        for known in world.rounds.as_slice() {
            self.rounds.insert((partition, known.round.id), *known);
        }
        self.applied_through_ms.insert(partition, world.applied_through_ms);
        let mut top: Vec<TopEntry> = world
            .players
            .iter()
            .map(|(username, player)| TopEntry {
                standing: Standing::of(username, player),
                name: player.name.clone(),
            })
            .collect();
        top.sort_by(|a, b| a.standing.cmp(&b.standing));
        top.truncate(TOP_STORED_MAX);
        if !top.is_empty() {
            self.tops.insert(partition, top);
        }
    }

    /// Adds a row of a table.
    pub(crate) fn add_row(&mut self, table: Table, columns: &mut Columns<'_>) -> Result<(), Error> {
        match table {
            Table::Purchases => {
                let key = (columns.small()?, columns.username()?, columns.purchase_id()?);
                self.purchases.insert(key, columns.purchase_outcome()?);
            }
            Table::Devices => {
                let (token, device) = columns.owned_device()?;
                self.devices.insert(token, device);
            }
            Table::Rounds => {
                let (partition, known) = (columns.small()?, columns.known_round()?);
                self.rounds.insert((partition, known.round.id), known);
            }
            Table::Partitions => {
                self.applied_through_ms.insert(columns.small()?, columns.int()?);
            }
            Table::Tops => {
                self.tops.insert(columns.small()?, top::parse(columns.text()?)?);
            }
        }
        Ok(())
    }

    /// The digest of each table.
    pub fn digests(&self) -> [TableDigest; 6] {
        [
            digest("players", &self.players),
            digest("purchases", &self.purchases),
            digest("devices", &self.devices),
            digest("rounds", &self.rounds),
            digest("partitions", &self.applied_through_ms),
            digest("board", &self.tops),
        ]
    }

    /// The first rows in which two states differ, at most `rows_max` of each table.
    pub fn differences(&self, other: &Self, rows_max: usize) -> Vec<Difference> {
        let mut found = Vec::new();
        found.extend(differences("players", &self.players, &other.players).take(rows_max));
        found.extend(differences("purchases", &self.purchases, &other.purchases).take(rows_max));
        found.extend(differences("devices", &self.devices, &other.devices).take(rows_max));
        found.extend(differences("rounds", &self.rounds, &other.rounds).take(rows_max));
        let through = differences("partitions", &self.applied_through_ms, &other.applied_through_ms);
        found.extend(through.take(rows_max));
        found.extend(differences("board", &self.tops, &other.tops).take(rows_max));
        found
    }
}

fn digest<K: Debug, V: Debug>(table: &'static str, rows: &BTreeMap<K, V>) -> TableDigest {
    let mut hash = TextHash::default();
    for row in rows {
        _ = writeln!(hash, "{row:?}"); // a hash takes everything
    }
    TableDigest { table, rows: rows.len(), digest: hash.0.finish() }
}

fn differences<'a, K: Debug + Ord, V: Debug + PartialEq>(
    table: &'static str,
    this: &'a BTreeMap<K, V>,
    other: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = Difference> {
    let show = |value: Option<&V>| value.map(|value| format!("{value:?}"));
    let changed = this.iter().filter(|(key, value)| other.get(key) != Some(value)).map(|(key, _)| key);
    let added = other.keys().filter(|key| !this.contains_key(key));
    changed.chain(added).map(move |key| Difference {
        table,
        key: format!("{key:?}"),
        this: show(this.get(key)),
        other: show(other.get(key)),
    })
}

/// Hashes text as it is formatted.
#[derive(Default)]
struct TextHash(Fnv1a);

impl fmt::Write for TextHash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
