//! The header `Host`, checked as RFC 9112, section 3.2 asks for.

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, Version, header};
use wire::FieldError;

use super::field;

/// Checks that a request names its host once, with a valid value. HTTP/1.0 may leave it out.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), FieldError> {
    let mut all = headers.get_all(header::HOST).iter();
    let reason = match (all.next(), all.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (None, _) if version < Version::HTTP_11 => return Ok(()),
        (None, _) => "must be given",
        (Some(_), Some(_)) => "must be given once",
        (Some(_), None) => "must be the name or the address of a host, and its port if it has one",
    };
    Err(field("Host", reason))
}

/// `uri-host [ ":" port ]` of RFC 9110, section 7.2. The name may be empty, and so may the port.
fn is_host(host: &[u8]) -> bool {
    let (is_name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
            (is_ipv6(&rest[..end]), rest.get(end + 1..).unwrap_or_default())
        }
        None => {
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            (is_reg_name(&host[..end]), &host[end..])
        }
    };
    is_name
        && port.strip_prefix(b":").unwrap_or(port).iter().all(u8::is_ascii_digit)
        && (port.is_empty() || port[0] == b':')
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// `reg-name` of RFC 3986, section 3.2.2; an IPv4 address is one too.
fn is_reg_name(mut name: &[u8]) -> bool {
    while let [first, rest @ ..] = name {
        name = match (first, rest) {
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            (byte, rest) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn hosts_are_told_from_other_values() {
        for host in [
            "",
            "x",
            "game.example",
            "game.example:8080",
            "game.example:",
            "127.0.0.1:1",
            "[::1]",
            "[2001:db8::7]:443",
            "xn--mnchen-3ya.example",
            "a_b-c~d",
            "a%20b",
            ":80",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "two words",
            "tab\there",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "http://a",
            "a:b",
            "a:8o",
            "a:80:80",
            "[::1",
            "[::1]80",
            "[::1]:x",
            "[]",
            "[x]",
            "::1",
            "a%2",
            "a%zz",
            "a\\b",
            "a\"b",
            "a<b",
            "ä",
            "a\u{0}",
            "a\u{7f}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
