//! Every bound of HTTP, with its unit, in one place. The bytes of a body are `wire`'s.

/// What a client is told to wait when it is turned away, in milliseconds.
pub const RETRY_AFTER_MS: i64 = 1_000;
/// How long a connection may ask for nothing before it is closed, in milliseconds; at most half as long again. The head
/// of a request must have come by then, and the answer must have been read.
pub const SILENCE_MS_MAX: u64 = 10_000;
/// How long what was sent may stay unacknowledged, or find no room on the other side, before the connection is closed,
/// in milliseconds. An answer that goes on must send something more often than that.
pub const UNACKED_MS_MAX: u64 = 20_000;
/// How long the body of a request may take to arrive, in milliseconds.
pub const BODY_MS_MAX: u64 = 10_000;
/// How long the rest of a body that nobody needs is waited for, in milliseconds.
pub const DISCARD_MS_MAX: u64 = 1_000;
/// Bytes of an over-long body that are read and thrown away, so that the phone gets to read its answer.
pub const BODY_DISCARD_BYTES_MAX: usize = 2 << 20;
/// Open connections of one process, at most; fewer where the system allows fewer open files.
pub const CONNECTIONS_MAX: usize = 16_000;
/// Open files that are kept free for other things than connections.
pub const FILES_RESERVED: usize = 128;
/// The pause after a connection could not be accepted, in milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Bytes of the head of a request, at most; a longer one is answered with 431. Nor is more than that read ahead.
pub const HEAD_BYTES_MAX: usize = 8 << 10;
/// Memory that a connection takes while its request has not come whole, at most, in bytes: mostly 30 KiB while it is
/// in the head, and more while it is in the body. What the kernel holds is not counted.
pub const CONNECTION_BYTES_MAX: usize = 72 << 10;
/// For how long an answer of `/readyz` or `/metrics` is given again, in milliseconds.
pub const HEALTH_CACHE_MS: u64 = 500;
/// How long a check of `/readyz` may take, in milliseconds.
pub const READY_MS_MAX: u64 = 2_000;
