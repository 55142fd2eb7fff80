//! The engine over real inboxes and the ledger of both databases, stepped without timers: the clock is moved by hand.

#[cfg(test)]
mod batcher;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod handler;
#[cfg(test)]
mod run;
#[cfg(test)]
mod support;
