//! The numbers that the rules depend on.

use serde::{Deserialize, Serialize};

use crate::calendar::{DAY_MS, HOUR_MS};

/// The numbers that the rules depend on, and what new teams begin with. docs/lunch.md says what each is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How long a poll counts as open.
    pub poll_open_ms: i64,
    /// People of a channel that has a poll, and answers of a poll.
    pub people_max: usize,
    /// Swaps that are tried to keep apart who met lately.
    pub swaps_max: u32,
    /// After this a meeting weighs half.
    pub meeting_half_life_ms: i64,
    /// Meetings that are remembered for each person.
    pub met_max: usize,
    /// Polls in a summary.
    pub summary_polls_max: usize,
    /// People in a summary.
    pub summary_people_max: usize,
    /// Polls that are created within this time after the team are not billed.
    pub free_ms: i64,
    /// When the invoice is made, after the start of the month in UTC.
    pub bills_after_ms: i64,
    pub cents_per_person: u64,
    pub due_days: u32,
    /// Whether groups of new teams are told in the channel.
    pub notify_in_channel: bool,
    /// Whether there is an account at Stripe.
    pub billing: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            poll_open_ms: DAY_MS,
            people_max: 5_000,
            swaps_max: 20_000,
            meeting_half_life_ms: 7 * DAY_MS,
            met_max: 128,
            summary_polls_max: 50,
            summary_people_max: 1_800,
            free_ms: 30 * DAY_MS,
            bills_after_ms: 9 * HOUR_MS,
            cents_per_person: 100,
            due_days: 30,
            notify_in_channel: true,
            billing: false,
        }
    }
}
