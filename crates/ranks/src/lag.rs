//! How far ranks are behind the store.

use store::Position;

use crate::bounds::BEHIND_MS_MAX;

/// How one partition of the ranks keeps up with the store, as far as that was looked at. The clock may be set back
/// meanwhile: what was seen at a time that is yet to come proves nothing.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// The latest time at which the ranks are known to have had all that the store had, Unix milliseconds.
    exact_ms: i64,
    /// What the store had and the ranks had not, and when that was seen, Unix milliseconds.
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

    /// Takes in the position of the ranks, which was read at no time in particular.
    pub(super) fn observe_held(&mut self, held: Position) {
        if let Some((wanted, at_ms)) = self.wanted
            && held >= wanted
        {
            self.was_exact(at_ms);
        }
    }

    /// The ranks have all that the store had at this time.
    pub(super) fn was_exact(&mut self, at_ms: i64) {
        self.exact_ms = at_ms;
        self.wanted = None;
    }

    /// Whether something has been missing for so long that it will not come any more.
    pub(super) fn is_overdue(&self, now_ms: i64) -> bool {
        self.wanted.is_some_and(|(_, at_ms)| now_ms - at_ms > BEHIND_MS_MAX)
    }

    /// Whether ranks must be withheld while they, whose position is `held`, lack something of `store`. Who asks may have
    /// read the clock a little before they were last seen exact.
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
