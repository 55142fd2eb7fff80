//! Query strings: percent-decoded, each parameter at most once. A plus stays a plus.

use std::borrow::Cow;

use game::bounds::TOP_STORED_MAX;
use percent_encoding::percent_decode_str;

use crate::fields::error;
use crate::{FieldError, digits};

/// Rows of `/fetch/lb` without a `limit`.
pub(crate) const LIMIT_DEFAULT: usize = 10;

/// The `username` of a query.
///
/// # Errors
/// [`FieldError`] when it is missing, repeated, not UTF-8 or invalid.
pub fn username(query: Option<&str>) -> Result<game::Username, FieldError> {
    let text = once(query, "username")?.ok_or_else(|| error("username", "is required"))?;
    Ok(game::Username::new(&text)?)
}

/// The `limit` of a query: 1 to 100, digits only; 10 if missing.
///
/// # Errors
/// [`FieldError`] when it is invalid or repeated.
pub fn limit(query: Option<&str>) -> Result<usize, FieldError> {
    let Some(text) = once(query, "limit")? else { return Ok(LIMIT_DEFAULT) };
    let limit = digits(&text).filter(|limit| (1..=TOP_STORED_MAX).contains(limit));
    limit.ok_or_else(|| error("limit", &format!("must be a whole number from 1 to {TOP_STORED_MAX}")))
}

fn once<'a>(query: Option<&'a str>, name: &str) -> Result<Option<Cow<'a, str>>, FieldError> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if percent_decode_str(key).decode_utf8().is_ok_and(|key| key == name) {
            if found.is_some() {
                return Err(error(name, "must be given exactly once"));
            }
            found = Some(percent_decode_str(value).decode_utf8().map_err(|_| error(name, "must be UTF-8"))?);
        }
    }
    Ok(found)
}
