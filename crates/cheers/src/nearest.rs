//! Who is near: a pure function over the positions that a process knows.

use serde::{Deserialize, Serialize};

use crate::{Location, PartnerStatus, Rules};

/// What an edge knows of a partner who is connected. Presence, never a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerPosition {
    pub partner: String,
    pub location: Location,
    /// When the partner said so, in Unix milliseconds.
    pub at_ms: i64,
    /// As the row says ([`crate::PartnerChange`]), but OFFLINE if the partner said so or has no socket.
    pub status: PartnerStatus,
    /// When the row became free or the partner came on, whichever is later, in Unix milliseconds.
    pub free_since_ms: i64,
}

/// A partner who may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub partner: String,
    /// Along the great circle.
    pub distance_m: u32,
    /// Unix milliseconds.
    pub free_since_ms: i64,
}

impl Candidate {
    /// Who is asked first: the nearest in steps of distance, among those who is free longest, among those by id.
    pub(crate) fn order(&self, rules: &Rules) -> (u32, i64, &str) {
        (self.distance_m / rules.distance_step_m.max(1), self.free_since_ms, &self.partner)
    }
}

/// The answer to the question who is near a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// The first [`Rules::candidates_max`], in order.
    pub candidates: Vec<Candidate>,
    /// Whether somebody else is near who is asked by a request now, and may soon be free.
    pub is_somebody_held: bool,
}

/// The nearest partners who may be asked for a place, as docs/cheers.md orders them.
///
/// `excluded` are not asked again by this request. `now_ms` is in Unix milliseconds.
pub fn nearest<'p>(
    positions: impl IntoIterator<Item = &'p PartnerPosition>,
    place: Location,
    excluded: &[String],
    now_ms: i64,
    rules: &Rules,
) -> Nearest {
    let mut found = Nearest::default();
    for position in positions {
        let is_held = match position.status {
            PartnerStatus::Available => false,
            PartnerStatus::Offered { .. } => true,
            PartnerStatus::Offline | PartnerStatus::Busy { .. } => continue,
        };
        let is_stale = now_ms.saturating_sub(position.at_ms) >= rules.fresh_ms;
        // Most partners of a market are too far north or south, which costs no trigonometry to see.
        if is_stale || place.distance_at_least_m(position.location) > rules.radius_m {
            continue;
        }
        let distance_m = place.distance_m(position.location);
        if distance_m > rules.radius_m || excluded.contains(&position.partner) {
            continue;
        }
        if is_held {
            found.is_somebody_held = true;
            continue;
        }
        let free_since_ms = position.free_since_ms;
        let candidate = Candidate { partner: position.partner.clone(), distance_m, free_since_ms };
        let place = found.candidates.partition_point(|other| other.order(rules) < candidate.order(rules));
        if place < rules.candidates_max {
            found.candidates.truncate(rules.candidates_max.saturating_sub(1));
            found.candidates.insert(place, candidate);
        }
    }
    found
}
