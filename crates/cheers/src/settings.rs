//! The numbers that the rules depend on.

use serde::{Deserialize, Serialize};

/// Every number that a rule of cheers depends on. Source: docs/cheers.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// No partner who is farther away is asked, in metres.
    pub radius_m: u32,
    /// How long an offer is open.
    pub offer_ms: i64,
    /// A partner's position counts while it is younger.
    pub fresh_ms: i64,
    /// The meter's step: each one that has begun costs `step_cents`. At least 1.
    pub step_ms: i64,
    pub step_cents: i64,
    /// How many partners are asked at once.
    pub offers_at_once: usize,
    /// How long a request waits for a partner.
    pub request_ms: i64,
    /// How long a partner may take from the match to the start.
    pub arrive_ms: i64,
    /// How long a ride may last from its start.
    pub ride_ms: i64,
    /// Whether the start of a ride needs the user's pin.
    pub is_pin_needed: bool,
    /// Wrong pins after which a ride gets a new one.
    pub wrong_pins_max: u32,
    /// Partners in one answer to the question who is near.
    pub candidates_max: usize,
    /// Distances within one such step are equal, and who is free longest goes first. At least 1.
    pub distance_step_m: u32,
    /// Pause until the next look where only partners are near who are asked by another request.
    pub look_again_ms: i64,
    /// Offers of a request in all.
    pub offers_max: usize,
    /// Partners whom one search passes over because they are not free, before it pauses.
    pub passed_max: usize,
    /// How long a link to pay lives.
    pub link_ms: i64,
    /// Reports of the payment provider that a payment remembers.
    pub reports_max: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            radius_m: 10_000,
            offer_ms: 30_000,
            fresh_ms: 60_000,
            step_ms: 300_000,
            step_cents: 1_000,
            offers_at_once: 1,
            request_ms: 300_000,
            arrive_ms: 1_800_000,
            ride_ms: 43_200_000,
            is_pin_needed: false,
            wrong_pins_max: 5,
            candidates_max: 8,
            distance_step_m: 50,
            look_again_ms: 5_000,
            offers_max: 64,
            passed_max: 64,
            link_ms: 86_400_000,
            reports_max: 16,
        }
    }
}

impl Rules {
    /// The fare of a ride in cents: each step that has begun, at least one.
    pub fn fare_cents(&self, duration_ms: i64) -> i64 {
        let step_ms = self.step_ms.max(1);
        let begun = duration_ms.max(0).saturating_add(step_ms - 1) / step_ms;
        begun.max(1).saturating_mul(self.step_cents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fare_counts_each_step_that_has_begun() {
        let rules = Rules::default();
        for (duration_ms, cents) in [
            (-1, 1_000),
            (0, 1_000),
            (1, 1_000),
            (300_000, 1_000),
            (300_001, 2_000),
            (301_000, 2_000),
            (600_000, 2_000),
            (601_000, 3_000),
            (3_600_000, 12_000),
            (43_200_000, 144_000),
        ] {
            assert_eq!(rules.fare_cents(duration_ms), cents, "{duration_ms}");
        }
    }
}
