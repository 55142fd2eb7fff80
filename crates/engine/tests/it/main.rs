//! The engine over real inboxes and the ledger of both databases, stepped without timers: the clock is moved by hand.

mod batcher;
mod envelope;
mod handler;
mod run;
mod support;
