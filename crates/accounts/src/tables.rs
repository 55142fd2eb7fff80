//! The rows of a bank.

use kind::Table;
use serde::{Deserialize, Serialize};

use crate::Accounts;

/// An account, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What can be spent.
    pub cents: u64,
    /// What waits for a permission.
    pub held_cents: u64,
    /// The account that gets what is sent to this one.
    pub forward_to: Option<String>,
}

impl Table for Account {
    type Kind = Accounts;
    type Key = String;

    const NAME: &'static str = "account";
}

/// Money that is held until a withdrawal is permitted, by account and the id of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub cents: u64,
    /// After this it is given back, in Unix milliseconds.
    pub until_ms: i64,
}

impl Table for Reservation {
    type Kind = Accounts;
    type Key = (String, String);

    const NAME: &'static str = "hold";
}
