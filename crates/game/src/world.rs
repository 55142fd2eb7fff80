//! The working set of a batch, and the application of commands to it.
//!
//! A batch fills a [`World`] with what it needs, applies its commands in order, and takes out the [`Changes`], which
//! are written in one transaction. `verify` uses a world of the whole partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::{
    Action, Add, Announced, KnownRound, Platform, Player, PressOutcome, PurchaseId, PurchaseOutcome, Rounds,
    Stamps, Standing, Token, Username, partition_of,
};

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A player was added or updated.
    Added { new: bool },
    /// A press was judged.
    Press(PressOutcome),
    /// A purchase was judged.
    Purchase(PurchaseOutcome),
    /// A purchase with this id was judged before; its outcome stands.
    PurchaseKnown(PurchaseOutcome),
    /// There is no player with this username; nothing changed.
    UnknownPlayer,
    /// A round was announced.
    Announced(Announced),
    /// A tick was applied.
    Ticked,
}

/// Why a command is impossible. It becomes a dead letter with this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The round was announced before with other times.
    #[error("round {round} was announced before with other times")]
    AnnouncementDiffers { round: u64 },
    /// Two rounds would be lit at the same time for some player.
    #[error("round {round} overlaps round {other} for a player with the largest extender")]
    Overlaps {
        round: u64,
        /// The round that was known before.
        other: u64,
    },
}

/// The owner of a device: the add with the greatest (arrived_at, username).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// When the add arrived, in Unix milliseconds.
    pub arrived_at_ms: i64,
    pub username: Username,
    pub platform: Option<Platform>,
}

/// The changes of a batch, in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The usernames of changed players, with the standing before (`None`: a new player).
    pub players: BTreeMap<Username, Option<Standing>>,
    /// The purchases that were judged for the first time.
    pub purchases: BTreeMap<(Username, PurchaseId), PurchaseOutcome>,
    /// The devices that were claimed, in token order, each with its greatest claim.
    pub devices: BTreeMap<Token, Device>,
    /// The rounds that are new to this partition.
    pub rounds: Vec<KnownRound>,
}

impl Changes {
    /// Adds a claim to a device; the greatest one wins.
    fn claim(&mut self, token: Token, claim: Device) {
        let device = self.devices.entry(token).or_insert_with(|| claim.clone());
        if (claim.arrived_at_ms, &claim.username) >= (device.arrived_at_ms, &device.username) {
            *device = claim;
        }
    }
}

/// The players, purchases and rounds that a batch works on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// The rounds that the partition knows. Shared with the handler's cache; copied when a round is added.
    pub rounds: Arc<Rounds>,
    /// The time up to which the partition has applied all arrivals, in Unix milliseconds.
    pub applied_through_ms: i64,
    /// The players of the batch, as far as they exist.
    pub players: HashMap<Username, Player>,
    /// The purchases of the batch that were judged before.
    pub purchases: HashMap<(Username, PurchaseId), PurchaseOutcome>,
    /// What has changed since the world was made or `take_changes` was called.
    pub changes: Changes,
}

impl World {
    /// Applies one command.
    ///
    /// The state afterwards depends only on the state before and on the arguments.
    ///
    /// # Errors
    /// [`Fault`] if the command is impossible; nothing has changed then.
    pub fn apply(&mut self, stamps: Stamps, action: &Action) -> Result<Outcome, Fault> {
        let Stamps { arrived_at_ms: at_ms, stored_at_ms } = stamps;
        Ok(match action {
            Action::Add(add) => self.add(at_ms, add),
            Action::Press { username } => match self.player(username, at_ms) {
                Some((player, rounds)) => Outcome::Press(player.press(rounds, at_ms)),
                None => Outcome::UnknownPlayer,
            },
            Action::Buy { username, id, powerup } => {
                let key = (username.clone(), id.clone());
                let known = self.purchases.get(&key).copied();
                let Some((player, _)) = self.player(username, at_ms) else {
                    return Ok(Outcome::UnknownPlayer);
                };
                if let Some(outcome) = known {
                    return Ok(Outcome::PurchaseKnown(outcome));
                }
                let outcome = player.buy(id, *powerup, at_ms);
                self.changes.purchases.insert(key.clone(), outcome);
                self.purchases.insert(key, outcome);
                Outcome::Purchase(outcome)
            }
            Action::Announce(round) => self.announce(KnownRound::announced(*round, stored_at_ms))?,
            Action::Tick { through_ms } => {
                self.applied_through_ms = self.applied_through_ms.max(*through_ms);
                Outcome::Ticked
            }
        })
    }

    /// Repartitions these worlds, one for each partition: each player moves, with purchases and devices, to the new
    /// partition of its username. All worlds must know the same rounds. `applied_through_ms` becomes the minimum of all
    /// worlds; a round that is late in one world is late in all.
    pub fn repartition(worlds: Vec<Self>, partitions: u16) -> Vec<Self> {
        let applied_through_ms =
            worlds.iter().map(|world| world.applied_through_ms).min().unwrap_or_default();
        let first = worlds.first();
        let mut rounds = first.map(|world| Rounds::clone(&world.rounds)).unwrap_or_default();
        for world in &worlds {
            rounds.late_where(&world.rounds);
        }
        let new = first.into_iter().flat_map(|world| &world.changes.rounds);
        let new = new.filter_map(|known| rounds.get(known.round.id)).copied().collect();
        let empty = Self {
            rounds: Arc::new(rounds),
            applied_through_ms,
            changes: Changes { rounds: new, ..Changes::default() },
            ..Self::default()
        };
        let mut dealt = vec![empty; usize::from(partitions)];
        for world in worlds {
            let Changes { players, purchases, devices, rounds: _ } = world.changes;
            for (username, player) in world.players {
                of(&mut dealt, &username).players.insert(username, player);
            }
            for (key, outcome) in world.purchases {
                of(&mut dealt, &key.0).purchases.insert(key, outcome);
            }
            for (username, before) in players {
                of(&mut dealt, &username).changes.players.insert(username, before);
            }
            for (key, outcome) in purchases {
                of(&mut dealt, &key.0).changes.purchases.insert(key, outcome);
            }
            for (token, claim) in devices {
                of(&mut dealt, &claim.username).changes.claim(token, claim);
            }
        }
        dealt
    }

    /// Takes out the changes.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// The player, settled up to the time of the command and marked as changed.
    fn player(&mut self, username: &Username, at_ms: i64) -> Option<(&mut Player, &Rounds)> {
        let player = self.players.get_mut(username)?;
        if !self.changes.players.contains_key(username) {
            self.changes.players.insert(username.clone(), Some(Standing::of(username, player)));
        }
        player.before_command(&self.rounds, at_ms);
        Some((player, &self.rounds))
    }

    fn add(&mut self, at_ms: i64, add: &Add) -> Outcome {
        let new = !self.players.contains_key(&add.username);
        if new {
            self.players.insert(add.username.clone(), Player::new(at_ms, &self.rounds));
            self.changes.players.insert(add.username.clone(), None);
        }
        if let Some((player, _)) = self.player(&add.username, at_ms) {
            player.name = add.name.clone().or(player.name.take());
            player.platform = add.platform.or(player.platform);
            if let Some(token) = &add.token {
                let claim = Device {
                    arrived_at_ms: at_ms,
                    username: add.username.clone(),
                    platform: player.platform,
                };
                self.changes.claim(token.clone(), claim);
            }
        }
        Outcome::Added { new }
    }

    fn announce(&mut self, announced: KnownRound) -> Result<Outcome, Fault> {
        // Avoids a copy of the rounds that the handler's cache shares.
        if self.rounds.get(announced.round.id).is_some_and(|known| known.round == announced.round) {
            return Ok(Outcome::Announced(Announced::Known));
        }
        let outcome = Arc::make_mut(&mut self.rounds).announce(announced)?;
        self.changes.rounds.push(announced);
        Ok(Outcome::Announced(outcome))
    }

    /// The changed players, in the order of their usernames.
    pub fn changed(&self) -> impl Iterator<Item = (&Username, &Player)> {
        self.changes.players.keys().filter_map(|username| self.players.get_key_value(username))
    }
}

/// The world of the player's partition.
fn of<'w>(worlds: &'w mut [World], username: &Username) -> &'w mut World {
    let partitions = u16::try_from(worlds.len()).unwrap_or(u16::MAX);
    &mut worlds[usize::from(partition_of(username.as_str(), partitions))]
}
