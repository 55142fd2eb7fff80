//! The contract of the crate as a phone, an operator and an attacker see it: tables of what is read and what is
//! refused with which reason, the envelope's round trip, and hostile text that must never cause a panic.

mod bodies;
mod described;
mod drive;
mod envelope;
mod hostile;
mod problem;
mod query;
mod refusals;
mod values;
