//! Checks that only apply to a server: roles, restarts, timeouts, and the storage of updated rows.

mod heap;
mod opening;
mod paused;
mod restart;
mod roles;
mod together;
