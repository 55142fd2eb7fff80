//! Lunch: polls in Slack that become small groups. The rules, without any I/O; docs/lunch.md is their source.

mod grouping;
mod random;

pub use grouping::{GROUP_MAX, GROUP_SIZES, group_sizes};
