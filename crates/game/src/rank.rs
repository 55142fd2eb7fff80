//! The order of the leaderboard, and the top of a partition as the handler caches it.
//! Source: docs/rules.md, "Leaderboard".

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::bounds::{TOP_KEPT_MAX, TOP_STORED_MAX};
use crate::{Player, Username};

/// The standing of a player. The best one is the smallest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Standing {
    pub score: u64,
    /// When the score was reached, in Unix milliseconds.
    pub reached_at_ms: i64,
    pub username: Username,
}

impl Standing {
    /// The standing of this player.
    pub fn of(username: &Username, player: &Player) -> Self {
        Self { score: player.score, reached_at_ms: player.reached_at_ms, username: username.clone() }
    }
}

impl Ord for Standing {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.score.cmp(&self.score);
        by_score
            .then(self.reached_at_ms.cmp(&other.reached_at_ms))
            .then_with(|| self.username.cmp(&other.username))
    }
}

impl PartialOrd for Standing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best players of one partition: exact as long as every change of a standing passes through it.
///
/// It knows every player before its `floor`. Purchases lower scores: a player who falls behind the floor is removed,
/// because an unknown player may be ahead. When too few are left, the top must be filled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    best: BTreeSet<Standing>,
    /// The last standing up to which all players are known; `None` when the whole partition is known.
    floor: Option<Standing>,
}

impl Top {
    /// The top of a partition without players.
    pub fn empty() -> Self {
        Self { best: BTreeSet::new(), floor: None }
    }

    /// The top of a partition, from its best players: all of them, or at least the first [`TOP_KEPT_MAX`].
    pub fn filled(best: impl IntoIterator<Item = Standing>) -> Self {
        let mut top = Self { best: best.into_iter().collect(), floor: None };
        if top.best.len() >= TOP_KEPT_MAX {
            top.floor = top.best.iter().nth(TOP_KEPT_MAX - 1).cloned();
        }
        top.trim();
        top
    }

    /// The top of a partition, from its [stored](Self::stored) part. That has fewer players, so it becomes thin sooner:
    /// when one of the last hundred falls.
    pub fn recalled(stored: impl IntoIterator<Item = Standing>) -> Self {
        let best: BTreeSet<Standing> = stored.into_iter().collect();
        let floor = if best.len() < TOP_STORED_MAX { None } else { best.last().cloned() };
        Self { best, floor }
    }

    /// Applies a change of a standing; `before` is `None` for a new player.
    pub fn change(&mut self, before: Option<&Standing>, after: Standing) {
        if let Some(before) = before {
            self.best.remove(before);
        }
        if self.floor.as_ref().is_none_or(|floor| after <= *floor) {
            self.best.insert(after);
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.best.len() > TOP_KEPT_MAX {
            self.best.pop_last();
            self.floor = self.best.last().cloned();
        }
    }

    /// Whether it has too few players to know the first [`TOP_STORED_MAX`], and must be filled again.
    pub fn is_thin(&self) -> bool {
        self.floor.is_some() && self.best.len() < TOP_STORED_MAX
    }

    /// The first [`TOP_STORED_MAX`], best first; exact unless the top is thin.
    pub fn stored(&self) -> impl Iterator<Item = &Standing> {
        self.best.iter().take(TOP_STORED_MAX)
    }
}

/// The best `limit` of several partitions' tops, with their ranks: 1 + the number of players strictly ahead.
///
/// Usernames are unique, so no two standings are equal and ranks simply count up.
pub fn merge_tops<T>(mut all: Vec<(Standing, T)>, limit: usize) -> Vec<(u64, Standing, T)> {
    all.sort_by(|a, b| a.0.cmp(&b.0));
    (1..).zip(all).take(limit).map(|(rank, (standing, extra))| (rank, standing, extra)).collect()
}
