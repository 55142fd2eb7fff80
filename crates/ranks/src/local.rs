//! Ranks in memory, for a process that applies every command itself.

use std::collections::HashMap;

use game::{Standing, Username};
use indexset::BTreeSet;
use parking_lot::RwLock;
use store::Position;

use super::Source;
use super::lag::Lag;
use crate::bounds::WAITING_MAX;

/// Ranks in memory.
#[derive(Debug)]
pub(super) struct Local(RwLock<State>);

#[derive(Debug)]
struct State {
    order: BTreeSet<Standing>,
    /// Score and time of reaching it, by player: the player's key in `order`.
    of: HashMap<Username, (u64, i64)>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// The position of the last projection; `None`: the partition must be rebuilt.
    applied: Option<Position>,
    /// Projections that arrived during a rebuild.
    waiting: Vec<(Position, Position, Vec<Standing>)>,
    lag: Lag,
}

impl Local {
    pub(super) fn new(partitions: u16) -> Self {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self(RwLock::new(State { order: BTreeSet::new(), of: HashMap::new(), partitions }))
    }

    pub(super) fn project(&self, partition: u16, from: Position, to: Position, changed: Vec<Standing>) {
        let mut ranks = self.0.write();
        let Some(state) = ranks.partitions.get_mut(usize::from(partition)) else { return };
        match state.applied {
            Some(applied) if applied == from => {
                state.applied = Some(to);
                ranks.set(changed);
            }
            Some(applied) if applied >= to => {} // applied already
            _ => {
                state.applied = None;
                if state.waiting.len() >= WAITING_MAX {
                    state.waiting.clear();
                }
                state.waiting.push((from, to, changed));
            }
        }
    }

    pub(super) async fn rebuild_stale(&self, source: &impl Source, now_ms: i64) -> Result<(), store::Error> {
        let positions = source.positions().await?;
        for partition in self.observe(&positions, now_ms) {
            let (at, all) = source.standings(partition).await?;
            self.rebuild(partition, at, all, now_ms);
        }
        Ok(())
    }

    /// Compares with the positions of the store, and returns the partitions that must be rebuilt.
    fn observe(&self, positions: &[(u16, Position)], now_ms: i64) -> Vec<u16> {
        let mut ranks = self.0.write();
        for (partition, position) in positions {
            let Some(state) = ranks.partitions.get_mut(usize::from(*partition)) else { continue };
            let Some(applied) = state.applied else { continue };
            state.lag.observe(applied, *position, now_ms);
            if state.lag.is_overdue(now_ms) {
                state.applied = None;
            }
        }
        let stale = (0..).zip(&ranks.partitions).filter(|(_, state)| state.applied.is_none());
        stale.map(|(partition, _)| partition).collect()
    }

    /// Replaces a partition by the standings at this position, then applies the projections that arrived meanwhile.
    /// After a gap the partition stays stale.
    fn rebuild(&self, partition: u16, at: Position, all: Vec<Standing>, now_ms: i64) {
        let mut ranks = self.0.write();
        let Some(state) = ranks.partitions.get_mut(usize::from(partition)) else { return };
        let waiting = std::mem::take(&mut state.waiting);
        let mut applied = at;
        ranks.set(all);
        for (from, to, changed) in waiting {
            if to <= applied {
                continue;
            }
            if from != applied {
                return;
            }
            applied = to;
            ranks.set(changed);
        }
        if let Some(state) = ranks.partitions.get_mut(usize::from(partition)) {
            state.applied = Some(applied);
            state.lag.was_exact(now_ms);
        }
    }

    pub(super) fn rank(
        &self,
        standing: &Standing,
        positions: &[(u16, Position)],
        now_ms: i64,
    ) -> Option<u64> {
        let ranks = self.0.read();
        if ranks.partitions.iter().any(|state| state.applied.is_none()) {
            return None;
        }
        let hidden = positions.iter().any(|(partition, position)| {
            let state = ranks.partitions.get(usize::from(*partition));
            state.is_none_or(|state| {
                state.applied.is_none_or(|applied| state.lag.hides(applied, *position, now_ms))
            })
        });
        if hidden {
            return None;
        }
        let ahead = ranks.order.rank(standing);
        // The ranks may hold an earlier, better standing of the player, from before a purchase, which must not count.
        let itself = ranks.of.get(&standing.username).is_some_and(|(score, reached_at_ms)| {
            Standing { score: *score, reached_at_ms: *reached_at_ms, username: standing.username.clone() }
                < *standing
        });
        Some(1 + ahead.saturating_sub(usize::from(itself)) as u64)
    }
}

impl State {
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
