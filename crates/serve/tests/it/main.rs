//! Requests and responses of a process, without a socket and over one.

#[cfg(test)]
mod app;
#[cfg(test)]
mod connections;
