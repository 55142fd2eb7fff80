//! The header `Host`, checked as RFC 9112, section 3.2 asks for.

use std::net::Ipv6Addr;

use axum::http::{HeaderMap, Version, header};
use wire::FieldError;

use crate::body::field;

/// Checks that a request names its host once, with a valid value. HTTP/1.0 may leave it out.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), FieldError> {
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
    let at = |wanted: u8| host.iter().position(|byte| *byte == wanted);
    let (is_name, port) = match (host.first(), at(b']')) {
        (Some(b'['), Some(end)) => (is_ipv6(&host[1..end]), &host[end + 1..]),
        _ => {
            let (name, port) = host.split_at(at(b':').unwrap_or(host.len()));
            (is_reg_name(name), port)
        }
    };
    is_name && matches!(port, [] | [b':', ..]) && port.iter().skip(1).all(u8::is_ascii_digit)
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
