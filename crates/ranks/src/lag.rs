//! The lag of ranks behind the store.

use store::Position;

use crate::bounds::BEHIND_MS_MAX;

/// The observed lag of one partition of the ranks. The clock may be set back: an observation from the future proves
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// The latest time at which the ranks are known to have been up to date, in Unix milliseconds.
    exact_ms: i64,
    /// A position of the store that the ranks had not reached, and when that was observed, in Unix milliseconds.
    wanted: Option<(Position, i64)>,
}

impl Lag {
    /// Compares the position of the ranks with that of the store.
    pub(super) fn observe(&mut self, held: Position, store: Position, now_ms: i64) {
        self.exact_ms = now_ms.min(self.exact_ms);
        if let Some((_, at_ms)) = &mut self.wanted {
            *at_ms = now_ms.min(*at_ms);
        }
        match self.wanted {
            _ if held >= store => self.was_exact(now_ms),
            Some((wanted, _)) if held < wanted && wanted <= store => {}
            Some((wanted, at_ms)) => {
                if held >= wanted {
                    self.was_exact(at_ms);
                }
                self.wanted = Some((store, now_ms));
            }
            None => self.wanted = Some((store, now_ms)),
        }
    }

    /// Takes a position of the ranks that was read at an unknown time.
    pub(super) fn observe_held(&mut self, held: Position) {
        if let Some((wanted, at_ms)) = self.wanted
            && held >= wanted
        {
            self.was_exact(at_ms);
        }
    }

    /// The ranks were up to date at this time.
    pub(super) fn was_exact(&mut self, at_ms: i64) {
        self.exact_ms = at_ms;
        self.wanted = None;
    }

    /// Whether a position has been missing for so long that its projection must be lost.
    pub(super) fn is_overdue(&self, now_ms: i64) -> bool {
        self.wanted.is_some_and(|(_, at_ms)| now_ms - at_ms > BEHIND_MS_MAX)
    }

    /// Whether ranks at position `held` must be withheld for a read at position `store`. `now_ms` may be a little
    /// before the last observation.
    pub(super) fn hides(&self, held: Position, store: Position, now_ms: i64) -> bool {
        held < store && (now_ms - self.exact_ms).abs() > BEHIND_MS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND_MS_MAX, Lag};
    use store::Position;

    const NOW_MS: i64 = 1_800_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn at(sequence: u128) -> Position {
        Position { generation: 1, sequence }
    }

    #[test]
    fn a_clock_that_was_ahead_neither_shows_old_ranks_nor_keeps_from_rebuilding() {
        let mut lag = Lag::default();
        lag.observe(at(1), at(1), NOW_MS + HOUR_MS);
        lag.observe(at(1), at(2), NOW_MS + HOUR_MS + 1);
        // The clock is right again, and the ranks still lack what they lacked.
        assert!(lag.hides(at(1), at(2), NOW_MS), "it is not known since when");
        lag.observe(at(1), at(2), NOW_MS);
        assert!(!lag.is_overdue(NOW_MS + BEHIND_MS_MAX));
        assert!(lag.is_overdue(NOW_MS + BEHIND_MS_MAX + 1));
        // It has caught up.
        lag.observe(at(2), at(2), NOW_MS + 10);
        assert!(!lag.hides(at(2), at(3), NOW_MS), "the clock was read before it had");
        assert!(!lag.hides(at(2), at(3), NOW_MS + 10 + BEHIND_MS_MAX));
        assert!(lag.hides(at(2), at(3), NOW_MS + 11 + BEHIND_MS_MAX));
    }
}
