//! The engine over real inboxes and the ledgers of both databases. Tests step the loops; the clock is manual.

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
