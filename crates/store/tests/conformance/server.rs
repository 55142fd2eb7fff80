//! What only a server can show: roles, restarts, timeouts, what it does with a row that is written again.

mod heap;
mod opening;
mod paused;
mod restart;
mod roles;
mod together;
