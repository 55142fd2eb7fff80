//! The server: the one binary `buttonparty`, whose roles are subcommands; [`roles`] has a file for each.
//!
//! What it is not: no rule of the game is here (that is `game`), no SQL (that is `store`), no queue's protocol (that
//! is `queue`), no loop that any crowd has (that is `engine`). `main` is a few lines; this is a library so that tests and
//! benchmarks can run its loops step by step.

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
