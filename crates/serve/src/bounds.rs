//! All bounds of HTTP, each with its unit. The size of a body is `wire`'s.

use std::time::Duration;

/// `Retry-After` of a 503, in milliseconds.
pub const RETRY_AFTER_MS: i64 = 1_000;
/// How long a connection may be idle before it is closed, or half as long again. By then the head of a request must
/// have come and the answer must have been read.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long sent data may stay unacknowledged, or find no room on the other side, before the connection is closed. A
/// long-lived answer must send something more often.
pub const UNACKED_MAX: Duration = Duration::from_secs(20);
/// Timeout of the body of a request.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Timeout of the rest of a body that is discarded.
pub const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes of a body over the limit that are read and discarded, so that the client gets to read its answer.
pub const BODY_DISCARD_BYTES_MAX: usize = 2 << 20;
/// Maximum number of connections of one process; fewer if the system allows fewer open files.
pub const CONNECTIONS_MAX: usize = 16_000;
/// Open files that are reserved for uses other than connections.
pub const FILES_RESERVED: usize = 128;
/// The pause after a failed accept.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Maximum length of the head of a request, in bytes; a longer one gets 431. No more than that is read ahead.
pub const HEAD_BYTES_MAX: usize = 8 << 10;
/// Maximum memory of a connection whose request is incomplete, in bytes: mostly 30 KiB in the head, and more in the
/// body. Kernel buffers are not counted.
pub const CONNECTION_BYTES_MAX: usize = 72 << 10;
/// How long an answer of `/readyz` or `/metrics` is cached.
pub const HEALTH_CACHE: Duration = Duration::from_millis(500);
/// Timeout of a check of `/readyz`.
pub const READY_TIME_MAX: Duration = Duration::from_secs(2);
