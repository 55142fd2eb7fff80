//! The contract of the crate as seen by a phone, an operator and an attacker: tables of accepted and rejected input
//! with reasons, the envelope's round trip, and hostile text that must never cause a panic.

mod bodies;
mod described;
mod drive;
mod envelope;
mod hostile;
mod problem;
mod query;
mod refusals;
mod values;
