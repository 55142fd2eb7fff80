//! Reads the fields of a body as raw JSON, so that all fields of a wrong type are reported, each with a message of
//! ours.
//!
//! Names are compared after unescaping. Ignored fields may hold anything that the grammar of JSON allows: a lone
//! surrogate in their name or value, or a number of any size.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::FieldError;

/// The field in which the first client wraps all others.
const WRAPPER: &str = "RequestBody";

/// The raw JSON of a field; `None`: missing or `null`.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// Reads these fields of a body, in this order. The body is an object of the fields, or `{"RequestBody":{…}}` around
/// it.
pub(crate) fn read<'a, const N: usize>(
    body: &'a [u8],
    names: [&'static str; N],
) -> Result<[Raw<'a>; N], Vec<FieldError>> {
    let text = std::str::from_utf8(body).map_err(|_| vec![error("body", "must be UTF-8")])?;
    if text.starts_with('\u{feff}') {
        return Err(vec![error("body", "must not begin with a byte order mark")]);
    }
    let outer = object(text, "body", names)?;
    match outer.wrapped {
        Some(inner) => Ok(object(inner.get(), WRAPPER, names)?.fields),
        None => Ok(outer.fields),
    }
}

/// An invalid field.
pub(crate) fn error(field: &str, reason: &str) -> FieldError {
    FieldError { field: field.to_owned(), reason: reason.to_owned() }
}

fn object<'a, const N: usize>(
    text: &'a str,
    whole: &str,
    names: [&'static str; N],
) -> Result<Object<'a, N>, Vec<FieldError>> {
    if !text.trim_start().starts_with('{') {
        return Err(vec![error(whole, "must be a JSON object")]);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_map(Names(names)).and_then(|read| deserializer.end().map(|()| read));
    let mut object = read.map_err(|failed| vec![error(whole, &format!("is not JSON: {failed}"))])?;
    if let Some(field) = object.twice {
        return Err(vec![error(field, "must be given exactly once")]);
    }
    for field in object.fields.iter_mut().chain([&mut object.wrapped]) {
        *field = field.filter(|raw| raw.get() != "null");
    }
    Ok(object)
}

struct Object<'a, const N: usize> {
    fields: [Raw<'a>; N],
    wrapped: Raw<'a>,
    /// A field that occurs more than once.
    twice: Option<&'static str>,
}

/// The names of the fields that are read.
struct Names<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Names<N> {
    type Value = Object<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object { fields: [None; N], wrapped: None, twice: None };
        while let Some(key) = map.next_key::<&RawValue>()? {
            let key = name(key);
            let (slot, known) = match self.0.iter().position(|known| *known == key) {
                Some(index) => (&mut object.fields[index], self.0[index]),
                None if key == WRAPPER => (&mut object.wrapped, WRAPPER),
                None => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                object.twice = object.twice.or(Some(known));
            }
        }
        Ok(object)
    }
}

/// An unescaped name; empty if it holds a lone surrogate, which no known name does.
fn name(key: &RawValue) -> Cow<'_, str> {
    let quoted = key.get();
    if quoted.contains('\\') {
        return serde_json::from_str::<String>(quoted).unwrap_or_default().into();
    }
    quoted.trim_matches('"').into()
}
