//! The server: the one binary `buttonparty`, whose roles are subcommands; [`roles`] has a file for each.
//!
//! The rules are in `game`, SQL is in `store`, queue protocols are in `queue`, and loops common to all crowds are in
//! `engine`. `main` is a few lines; this is a library so that tests and benchmarks can step its loops.

pub mod admin;
pub mod bounds;
pub mod button;
pub mod cli;
pub mod config;
pub mod ingest;
pub mod live;
pub mod node;
pub mod openapi;
pub mod page;
pub mod push;
pub mod rebuilder;
pub mod repartition;
pub mod roles;
pub mod router;
pub mod scheduler;
pub mod telemetry;
pub mod verify;
