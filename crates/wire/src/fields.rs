//! The fields of a body, kept as they stand in it, so that every field of a wrong type is reported, each in our words.
//!
//! Names are compared after their escapes are read. Whatever the grammar of JSON allows may stand in what is ignored:
//! the name or the value of an unknown field may hold half of a surrogate pair, or a number of any size.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::FieldError;

/// The field in which the first client wraps all others.
const WRAPPER: &str = "RequestBody";

/// A field as it stands in the body; `None`: left out, or `null`.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// Reads these fields of a body, in this order. Both shapes are read: the fields themselves, and
/// `{"RequestBody":{…}}` around them.
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

/// A field that is wrong.
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
    /// A field that stands there more than once.
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

/// The name that a key spells; nothing where it holds half of a surrogate pair, which no known name does.
fn name(key: &RawValue) -> Cow<'_, str> {
    let quoted = key.get();
    if quoted.contains('\\') {
        return serde_json::from_str::<String>(quoted).unwrap_or_default().into();
    }
    quoted.trim_matches('"').into()
}
