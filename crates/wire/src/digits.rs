//! Numbers in texts that people and programs write: queries, settings, flags.

use std::str::FromStr;

/// The number that a text of digits spells. `None`: it is no number of this type, or there is something else than the
/// digits 0 to 9 in it. `str::parse` would take `+5` too.
pub fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
