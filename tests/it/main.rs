//! The running binary, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod api;
mod browser;
mod chaos;
mod clock;
mod cost;
mod crash;
mod crates;
mod crowd;
mod dead_letters;
mod disk;
mod documents;
mod files;
mod first_client;
mod image;
mod inputs;
mod lambda;
mod late;
mod live;
mod load;
mod operation;
mod page;
mod place;
mod process;
mod proxies;
mod push;
mod repartition;
mod restore;
mod rotation;
mod rounds;
mod scheduler;
mod secure_board;
mod several;
mod stall;
mod start;
mod support;
mod telemetry;
mod template;
mod versions;
