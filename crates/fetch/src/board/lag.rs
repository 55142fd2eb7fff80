//! How far the board is behind the store.

use store::Position;

/// How far a partition may be behind the store before ranks are withheld, in milliseconds. Source: rules.md.
const BEHIND_MS_MAX: i64 = 2_000;

/// How one partition of the board keeps up with the store, as far as that was looked at.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// The latest time at which the board is known to have had all that the store had, Unix milliseconds.
    exact_ms: i64,
    /// What the store had and the board had not, and when that was seen, Unix milliseconds.
    wanted: Option<(Position, i64)>,
}

impl Lag {
    /// Compares where the board stands with where the store stands.
    pub(super) fn observe(&mut self, held: Position, store: Position, now_ms: i64) {
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

    /// The board was seen where it stands, at no time in particular.
    pub(super) fn saw(&mut self, held: Position) {
        if let Some((wanted, at_ms)) = self.wanted
            && held >= wanted
        {
            self.was_exact(at_ms);
        }
    }

    /// The board has all that the store had at this time.
    pub(super) fn was_exact(&mut self, at_ms: i64) {
        self.exact_ms = self.exact_ms.max(at_ms);
        self.wanted = None;
    }

    /// Whether something has been missing for so long that it will not come any more.
    pub(super) fn is_overdue(&self, now_ms: i64) -> bool {
        self.wanted.is_some_and(|(_, at_ms)| now_ms - at_ms > BEHIND_MS_MAX)
    }

    /// Whether ranks must be withheld while the board, which stands at `held`, lacks something of `store`.
    pub(super) fn hides(&self, held: Position, store: Position, now_ms: i64) -> bool {
        held < store && now_ms - self.exact_ms > BEHIND_MS_MAX
    }
}
