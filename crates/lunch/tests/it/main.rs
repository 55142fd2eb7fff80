//! The rules in memory, with a pretend Slack.

#[cfg(test)]
mod answering;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod billing;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod creating;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod random;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod wording;
#[cfg(test)]
mod world;
