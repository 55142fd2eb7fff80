//! The model, and the command that prints it.

#[cfg(test)]
mod command;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod model;
