//! The running binary, seen from outside.

mod first_client;
mod support;
