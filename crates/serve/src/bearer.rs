//! Bearer tokens (RFC 6750) in the header `Authorization` (RFC 9110, 11.6.2).

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

const SCHEME: &[u8] = b"bearer";

/// The bearer token of a request: the scheme in any case, one or more spaces, the token. `None` without the header,
/// with another scheme, or with more than one `Authorization` header, because it is unclear which one was meant.
pub fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, rest) = value.as_bytes().trim_ascii().split_at_checked(SCHEME.len())?;
    let token = rest.trim_ascii_start();
    // Only spaces may separate them, and at least one.
    let spaces = rest.strip_suffix(token)?;
    let parted = !spaces.is_empty() && spaces.iter().all(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(SCHEME) && parted && !token.is_empty()).then_some(token)
}

/// Compares a secret from outside in constant time; only a difference in length is visible.
pub fn same_secret(given: &[u8], secret: &[u8]) -> bool {
    given.ct_eq(secret).into()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

    use super::{bearer_token, same_secret};

    fn token_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        }
        bearer_token(&headers).map(|token| String::from_utf8_lossy(token).into_owned())
    }

    #[test]
    fn a_bearer_token_is_read_as_rfc_9110_says() {
        for value in ["Bearer t", "bearer t", "BEARER t", "bEaReR   t", " Bearer t ", "Bearer t\t"] {
            assert_eq!(token_of(&[value]).as_deref(), Some("t"), "{value:?}");
        }
        assert_eq!(token_of(&["Bearer T t"]).as_deref(), Some("T t"), "no token is cut short");
        for value in
            ["", "t", "Bearer", "Bearer ", "Bearert", "Bearer\tt", "Bearer \t t", "Basic t", "Bearer: t"]
        {
            assert_eq!(token_of(&[value]), None, "{value:?}");
        }
        assert_eq!(token_of(&[]), None);
        assert_eq!(token_of(&["Bearer t", "Bearer t"]), None, "which of two was meant is not guessed");
    }

    #[test]
    fn secrets_are_compared_exactly() {
        assert!(same_secret(b"token", b"token"));
        for wrong in ["", "Token", "toke", "token ", "tokens"] {
            assert!(!same_secret(wrong.as_bytes(), b"token"), "{wrong:?}");
        }
    }
}
