//! The board of ranks, kept in process: exact for what it has applied, silent where it is not sure.
//!
//! The handler of the same process projects every commit into it. Each partition has a position: a projection counts
//! only when it begins where the last one ended. One that leaves a gap (another handler was at work) marks the
//! partition, and ranks are `null` until it was rebuilt from the store.

use std::collections::HashMap;

use game::{Standing, Username};
use indexset::BTreeSet;
use parking_lot::RwLock;
use store::Position;

/// How far a partition may be behind the store before ranks are withheld, in milliseconds. Source: rules.md.
const BEHIND_MS_MAX: i64 = 2_000;
/// Changes kept while a partition is rebuilt; with more the rebuilding begins anew.
const WAITING_MAX: usize = 100_000;

/// The board of ranks.
#[derive(Debug)]
pub struct Board(RwLock<Ranks>);

#[derive(Debug)]
struct Ranks {
    order: BTreeSet<Standing>,
    /// Score and time of reaching it, by player: where in `order` a player stands.
    of: HashMap<Username, (u64, i64)>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// Up to where it has applied everything; `None`: it must be rebuilt.
    applied: Option<Position>,
    /// What was projected while it is being rebuilt.
    waiting: Vec<(Position, Position, Vec<Standing>)>,
    /// Since when the store was seen ahead of it, Unix milliseconds.
    behind_since_ms: Option<i64>,
}

impl Board {
    /// A board that knows nothing yet; every partition must be rebuilt.
    pub fn new(partitions: u16) -> Self {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self(RwLock::new(Ranks { order: BTreeSet::new(), of: HashMap::new(), partitions }))
    }

    /// Takes in what one commit changed: the new standings of the players of this partition.
    pub fn project(&self, partition: u16, from: Position, to: Position, changed: Vec<Standing>) {
        let mut ranks = self.0.write();
        let Some(state) = ranks.partitions.get_mut(usize::from(partition)) else { return };
        match state.applied {
            Some(applied) if applied == from => {
                state.applied = Some(to);
                ranks.set(changed);
            }
            Some(applied) if applied >= to => {} // seen already
            _ => {
                state.applied = None;
                if state.waiting.len() >= WAITING_MAX {
                    state.waiting.clear();
                }
                state.waiting.push((from, to, changed));
            }
        }
    }

    /// The partitions that must be rebuilt from the store.
    pub fn stale(&self) -> Vec<u16> {
        let ranks = self.0.read();
        (0..)
            .zip(&ranks.partitions)
            .filter(|(_, state)| state.applied.is_none())
            .map(|(index, _)| index)
            .collect()
    }

    /// Replaces a partition by all its players as they stood at this position, then catches up with what was
    /// projected meanwhile. Returns whether the partition is exact again.
    pub fn rebuild(&self, partition: u16, at: Position, all: Vec<Standing>) -> bool {
        let mut ranks = self.0.write();
        let Some(state) = ranks.partitions.get_mut(usize::from(partition)) else { return false };
        let waiting = std::mem::take(&mut state.waiting);
        let mut applied = at;
        let mut exact = true;
        ranks.set(all);
        for (from, to, changed) in waiting {
            if to <= applied {
                continue;
            }
            exact = from == applied;
            if !exact {
                break;
            }
            applied = to;
            ranks.set(changed);
        }
        if let Some(state) = ranks.partitions.get_mut(usize::from(partition)).filter(|_| exact) {
            state.applied = Some(applied);
            state.behind_since_ms = None;
        }
        exact
    }

    /// Compares with where the store stands. A partition that stays behind for too long must be rebuilt.
    pub fn observe(&self, positions: &[(u16, Position)], now_ms: i64) {
        let mut ranks = self.0.write();
        for (partition, position) in positions {
            let Some(state) = ranks.partitions.get_mut(usize::from(*partition)) else { continue };
            match state.applied {
                Some(applied) if applied < *position => {
                    let since_ms = *state.behind_since_ms.get_or_insert(now_ms);
                    if now_ms - since_ms > BEHIND_MS_MAX {
                        state.applied = None;
                        state.behind_since_ms = None;
                    }
                }
                _ => state.behind_since_ms = None,
            }
        }
    }

    /// 1 + the number of players strictly ahead of this standing; `None` while a partition is being rebuilt, or when
    /// one is behind the store's positions for longer than 2 s.
    pub fn rank(&self, standing: &Standing, positions: &[(u16, Position)], now_ms: i64) -> Option<u64> {
        let ranks = self.0.read();
        let exact = ranks.partitions.iter().all(|state| state.applied.is_some());
        let behind = positions.iter().any(|(partition, position)| {
            ranks.partitions.get(usize::from(*partition)).is_some_and(|state| {
                state.applied.is_some_and(|applied| applied < *position)
                    && state.behind_since_ms.is_some_and(|since_ms| now_ms - since_ms > BEHIND_MS_MAX)
            })
        });
        if !exact || behind {
            return None;
        }
        let ahead = ranks.order.rank(standing);
        // The board may know the player at an earlier, better standing (before a purchase): nobody is ahead of himself.
        let himself = ranks.of.get(&standing.username).is_some_and(|(score, reached_at_ms)| {
            Standing { score: *score, reached_at_ms: *reached_at_ms, username: standing.username.clone() }
                < *standing
        });
        Some(1 + ahead.saturating_sub(usize::from(himself)) as u64)
    }
}

impl Ranks {
    fn set(&mut self, changed: Vec<Standing>) {
        for standing in changed {
            let now = (standing.score, standing.reached_at_ms);
            if let Some((score, reached_at_ms)) = self.of.insert(standing.username.clone(), now) {
                if (score, reached_at_ms) == now {
                    continue;
                }
                self.order.remove(&Standing { score, reached_at_ms, username: standing.username.clone() });
            }
            self.order.insert(standing);
        }
    }
}
