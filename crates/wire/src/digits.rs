//! Numbers in queries, settings and flags.

use std::str::FromStr;

/// Parses a number of digits only. `None` for anything else, like `+5`, which `str::parse` accepts, or a number that
/// does not fit the type.
pub fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
