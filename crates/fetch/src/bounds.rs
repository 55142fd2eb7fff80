//! The bounds of the Lambda, with their units; those of its calls to Secrets Manager are in `lambda::secret`.

/// How long connecting to the store may take, in milliseconds.
pub(crate) const CONNECT_MS_MAX: u64 = 2_000;
/// How long one statement of the store may take, in milliseconds.
pub(crate) const STATEMENT_MS_MAX: u64 = 2_000;
/// How long a response may take, in milliseconds: less than the function's timeout, after which the client gets a bare
/// error instead of a problem.
pub(crate) const ANSWER_MS_MAX: u64 = 8_000;
/// How long the init phase may open the store and the ranks, in milliseconds; Lambda allows 10 s.
pub(crate) const INIT_MS_MAX: u64 = 4_000;
/// The least pause between two reads of the secret's current version, in milliseconds.
pub(crate) const SECRET_PAUSE_MS: i64 = 1_000;
/// The pause between two checks of identity and ranks, in milliseconds.
pub(crate) const CHECK_PAUSE_MS: i64 = 500;
/// How long comparing the ranks with the store may delay a request, in milliseconds.
pub(crate) const WATCH_MS_MAX: u64 = 100;
