//! The model, and the command that prints it.

mod command;
mod counters;
mod model;
