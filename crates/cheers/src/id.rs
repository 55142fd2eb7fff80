//! Ids of users, partners, requests, rides and payments.

/// Ends the market in an id. No market contains it.
const AFTER_MARKET: char = '_';
/// The longest name of a market, in bytes.
pub const MARKET_BYTES_MAX: usize = 32;

/// Whether a text can name a market: 1 to [`MARKET_BYTES_MAX`] of `a` to `z`, `0` to `9` and `-`.
pub fn is_market(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MARKET_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// The market that an id names, so that a webhook which brings only the id finds its partition.
pub fn market_of(id: &str) -> Option<&str> {
    let (market, _) = id.split_once(AFTER_MARKET)?;
    is_market(market).then_some(market)
}

/// The id of what a command makes: the market and the command's own id.
///
/// Letters, digits, `-` and `_` only, because Stripe takes no others as `client_reference_id`. Any other byte is written as
/// `_` and two hexadecimal digits, so that two commands never make one id.
pub(crate) fn new_id(market: &str, command_id: &str) -> String {
    let mut id = format!("{market}{AFTER_MARKET}");
    for byte in command_id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            id.push(char::from(byte));
        } else {
            id.push_str(&format!("_{byte:02x}"));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_market_and_no_two_commands_make_one_id() {
        assert_eq!(new_id("main", "0-a1.3"), "main_0-a1_2e3");
        assert_eq!(market_of("main_0-a1_2e3"), Some("main"));
        assert_ne!(new_id("main", "a.3"), new_id("main", "a_2e3"));
        for wrong in ["", "main", "_1", "Main_1", "a/b_1"] {
            assert_eq!(market_of(wrong), None, "{wrong}");
        }
        assert!(!is_market(&"a".repeat(MARKET_BYTES_MAX + 1)));
    }
}
