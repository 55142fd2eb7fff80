//! Requests as a process answers them, without a socket.

#[cfg(test)]
mod app;
