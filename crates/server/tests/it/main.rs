//! The server's loops, stepped by the test: the clock is manual; inbox and store are real files.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod late;
#[cfg(test)]
mod live;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod push;
#[cfg(test)]
mod repartition;
#[cfg(test)]
mod scheduler;
#[cfg(test)]
mod support;
