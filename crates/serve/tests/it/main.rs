//! Requests as a process answers them, without a socket and over one.

#[cfg(test)]
mod app;
#[cfg(test)]
mod connections;
