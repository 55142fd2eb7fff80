//! The rules of accounts in memory, and what a batch does that reads its rows step by step.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod play;
#[cfg(test)]
mod steps;
