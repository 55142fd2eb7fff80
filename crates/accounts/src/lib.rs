//! A kind of crowd as an example, and for the tests of the engine: accounts that transfer money.
//!
//! A bank is a route: its accounts never meet those of another bank. Money moves by `Transfer`, at once. It leaves the bank
//! by `Withdraw`, for which somebody outside is asked: the amount is held until the answer comes or the hold expires.
//!
//! Not part of the game. "How to add a crowd" in CONTRIBUTING.md walks through this file.

mod rules;
mod tables;

pub use rules::{Accounts, BankRules, Command, Effect, Outcome, Reply};
pub use tables::{Account, Reservation};
