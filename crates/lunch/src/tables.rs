//! The rows of a team. Times are Unix milliseconds.

use std::collections::BTreeMap;

use kind::Table;
use serde::{Deserialize, Serialize};

use crate::{Asker, Lunch, MealTime, PollOptions};

macro_rules! table {
    ($row:ty, $name:literal, $key:ty) => {
        impl Table for $row {
            type Kind = Lunch;
            type Key = $key;

            const NAME: &'static str = $name;
        }
    };
}

/// The workspace itself, by no key: it is the route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    pub name: String,
    pub created_at_ms: i64,
    /// How often the app was installed. A reply that tells of a revoked token names the installation it belonged to.
    pub install: u64,
    pub installed_at_ms: i64,
    pub installed_by: String,
    pub sealed_token: String,
    pub disabled_at_ms: Option<i64>,
    /// Groups are told in the channel; else each in a conversation of its own.
    pub notify_in_channel: bool,
    pub invoicing: bool,
    /// Stripe's id of the customer.
    pub stripe_customer: Option<String>,
    /// When the next invoice is made.
    pub bills_at_ms: i64,
}
table!(Team, "team", ());

/// The latest poll of a channel, by the channel's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunchChannel {
    pub poll: String,
    pub created_at_ms: i64,
    pub is_closed: bool,
}
table!(LunchChannel, "channel", String);

/// An order that waits for Slack's reply, by the id of its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    pub asker: Asker,
    pub at_ms: i64,
    /// `None`: not found yet.
    pub channel: Option<String>,
    pub what: ErrandKind,
}
table!(Errand, "errand", String);

/// What an errand is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrandKind {
    /// The poll gets the id of the errand.
    Create {
        options: PollOptions,
        closes_at_ms: Option<i64>,
    },
    Close {
        /// `None`: the channel is not found yet.
        poll: Option<String>,
        is_by_timer: bool,
    },
    Summary {
        days: u32,
    },
}

/// Whether a poll takes answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollState {
    Open,
    Closed,
}

/// A poll, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    pub channel_id: String,
    pub created_at_ms: i64,
    pub created_by: Asker,
    pub state: PollState,
    /// The times on offer.
    pub choices: Vec<MealTime>,
    pub group_size: usize,
    /// When it closes by itself, in the creator's zone.
    pub closes: Option<MealTime>,
    pub closes_at_ms: Option<i64>,
    /// How many people were asked.
    pub asked: usize,
    /// How many people have each choice now.
    pub tally: BTreeMap<String, usize>,
    /// Number of its tab, set at the close. The poll is billed once that tab has an [`Invoice`].
    pub tab: Option<u64>,
}
table!(Poll, "poll", String);

/// A person's answer, by poll and user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollAnswer {
    pub response: String,
    /// When the button was clicked.
    pub created_at_ms: i64,
}
table!(PollAnswer, "poll_response", (String, String));

/// A group of a closed poll, by poll and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunchGroup {
    pub response: MealTime,
    pub user_ids: Vec<String>,
    /// Those who were still in the channel at the close: they are told.
    pub here: Vec<String>,
    /// One of `here`, if there are two or more.
    pub picker: Option<String>,
}
table!(LunchGroup, "group", (String, u64));

/// A closed poll, by channel and [`ClosedPoll::order`]: for summaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedPoll {
    pub poll: String,
    pub created_by: Asker,
    pub created_at_ms: i64,
    pub groups: u64,
}
table!(ClosedPoll, "closed_poll", (String, u64, String));

impl ClosedPoll {
    /// The later a poll was created, the smaller: lists begin with the latest.
    #[must_use]
    pub fn order(created_at_ms: i64) -> u64 {
        u64::MAX - created_at_ms.max(0).unsigned_abs()
    }
}

/// With whom a person stood in one group lately, by user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Each person once, with the last time. Latest first, at most `Rules::met_max`.
    pub with: Vec<(String, i64)>,
}
table!(Met, "met", String);

/// What the next invoice will be for, by no key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    pub number: u64,
    pub polls: u64,
    /// Distinct people who said yes in these polls.
    pub people: u64,
}
table!(Tab, "tab", ());

/// Somebody who said yes in a poll that is billed, by user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diner {
    /// The last tab on which this person was counted.
    pub tab: u64,
}
table!(Diner, "diner", String);

/// An invoice, by the number of its tab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    pub at_ms: i64,
    pub polls: u64,
    pub people: u64,
    pub cents: u64,
    /// Stripe's id, once it is known.
    pub stripe_invoice: Option<String>,
}
table!(Invoice, "invoice", u64);
