//! Bounds of texts. The edge answers 400 where one is broken; the rules refuse such a command as a fault.

/// Of an e-mail address, in bytes.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Of the name of a user or a partner, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Of a partner's type, in characters.
pub const PARTNER_TYPE_CHARS_MAX: usize = 64;
/// Of a phone number, in characters.
pub const PHONE_CHARS_MAX: usize = 32;
/// Of a password's hash, in characters.
pub const PASSWORD_HASH_CHARS_MAX: usize = 512;
/// Of a request's type, in characters.
pub const REQUEST_TYPE_CHARS_MAX: usize = 64;
/// Of what is said to a cancellation, in characters.
pub const REASON_CHARS_MAX: usize = 200;
/// Of a payment provider's name for a link or a payment, in characters.
pub const REFERENCE_CHARS_MAX: usize = 255;

/// Whether a text has 1 to `chars_max` characters.
pub fn is_text(text: &str, chars_max: usize) -> bool {
    !text.is_empty() && text.chars().take(chars_max + 1).count() <= chars_max
}

/// An e-mail address as accounts are found by it: without spaces around it, in lower case. `None`: it is none.
pub fn email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (before, after) = email.split_once('@')?;
    let is_address = !before.is_empty() && !after.is_empty() && !after.contains('@');
    let is_plain = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_address && is_plain && email.len() <= EMAIL_BYTES_MAX).then_some(email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_however_it_is_typed() {
        assert_eq!(email(" Ann@Example.ORG\n").as_deref(), Some("ann@example.org"));
        for wrong in
            ["", "ann", "@example.org", "ann@", "a@b@c", "a n@b", "a\0@b", &format!("{}@b", "a".repeat(253))]
        {
            assert_eq!(email(wrong), None, "{wrong}");
        }
        // What is normalized stays as it is.
        assert_eq!(email("ann@example.org").as_deref(), Some("ann@example.org"));
    }

    #[test]
    fn a_text_is_counted_in_characters() {
        assert!(is_text(&"é".repeat(64), 64));
        assert!(!is_text(&"é".repeat(65), 64));
        assert!(!is_text("", 64));
    }
}
