//! A crowd that keeps a tally, and a proxy that loses answers.

pub(crate) mod tally;
pub(crate) mod way;

pub(crate) use testbed::{ALL, NOW, NOW_MS, Site, VISIBILITY_MS, in_time, unlock};
