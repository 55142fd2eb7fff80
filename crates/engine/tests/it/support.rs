//! A crowd that is a tally, and a way on which answers get lost.

pub(crate) mod tally;
pub(crate) mod way;

pub(crate) use testbed::{ALL, NOW, NOW_MS, Site, VISIBILITY_MS, in_time, unlock};
