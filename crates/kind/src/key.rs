//! Keys of rows as text, in an order that both databases share: that of bytes.

/// The key of a row, made of one or more parts.
///
/// Text parts are ordered by bytes, numbers by value. Strings, `u64` and tuples of them are keys; a type of a kind's own
/// implements this by its parts.
pub trait Key: Sized {
    /// Writes the parts, in order.
    fn write(&self, to: &mut KeyWriter);

    /// Reads what `write` wrote; `None` if it is something else.
    fn read(from: &mut KeyReader<'_>) -> Option<Self>;
}

/// Takes the parts of a key.
#[derive(Debug, Default)]
pub struct KeyWriter(String);

impl KeyWriter {
    /// Adds a part. `/`, `%` and control characters are percent-encoded, so that `/` stands only between parts, and no
    /// database meets a NUL.
    pub fn text(&mut self, part: &str) {
        for c in part.chars() {
            if c == '/' || c == '%' || c.is_ascii_control() {
                self.0.push_str(&format!("%{:02X}", u32::from(c)));
            } else {
                self.0.push(c);
            }
        }
        self.0.push('/');
    }

    /// Adds a number, as wide as the largest, so that the order of bytes is the order of numbers.
    pub fn number(&mut self, part: u64) {
        self.0.push_str(&format!("{part:020}/"));
    }

    /// The parts so far, each followed by `/`: the start of every key that begins with them.
    #[must_use]
    pub fn into_prefix(self) -> String {
        self.0
    }

    /// The parts so far as a whole key.
    #[must_use]
    pub fn into_key(mut self) -> String {
        self.0.pop();
        self.0
    }
}

/// Gives the parts of a key.
#[derive(Debug)]
pub struct KeyReader<'k>(Option<&'k str>);

impl<'k> KeyReader<'k> {
    fn part(&mut self) -> Option<&'k str> {
        let rest = self.0.take()?;
        let Some((part, rest)) = rest.split_once('/') else { return Some(rest) };
        self.0 = Some(rest);
        Some(part)
    }

    /// The next part; `None` if there is none, or if it is not as [`KeyWriter::text`] writes it.
    pub fn text(&mut self) -> Option<String> {
        let mut pieces = self.part()?.split('%');
        let mut text = pieces.next()?.to_owned();
        for piece in pieces {
            let (code, rest) = piece.split_at_checked(2)?;
            text.push(char::from(u8::from_str_radix(code, 16).ok()?));
            text.push_str(rest);
        }
        Some(text)
    }

    /// The next part as a number.
    pub fn number(&mut self) -> Option<u64> {
        self.part()?.parse().ok()
    }
}

impl Key for String {
    fn write(&self, to: &mut KeyWriter) {
        to.text(self);
    }

    fn read(from: &mut KeyReader<'_>) -> Option<Self> {
        from.text()
    }
}

impl Key for u64 {
    fn write(&self, to: &mut KeyWriter) {
        to.number(*self);
    }

    fn read(from: &mut KeyReader<'_>) -> Option<Self> {
        from.number()
    }
}

/// No part at all: as a prefix, every row of the table.
impl Key for () {
    fn write(&self, _: &mut KeyWriter) {}

    fn read(_: &mut KeyReader<'_>) -> Option<Self> {
        Some(())
    }
}

macro_rules! tuple_key {
    ($($part:ident),+) => {
        impl<$($part: Key),+> Key for ($($part,)+) {
            #[allow(non_snake_case, clippy::allow_attributes, reason = "the names of the types serve for the values")]
            fn write(&self, to: &mut KeyWriter) {
                let ($($part,)+) = self;
                $($part.write(to);)+
            }

            fn read(from: &mut KeyReader<'_>) -> Option<Self> {
                Some(($($part::read(from)?,)+))
            }
        }
    };
}
tuple_key!(A);
tuple_key!(A, B);
tuple_key!(A, B, C);

/// The stored form of a key within a route.
pub fn encode_key(route: &str, key: &impl Key) -> String {
    let mut to = KeyWriter::default();
    to.text(route);
    key.write(&mut to);
    to.into_key()
}

/// The start of the stored form of every key of a route that begins with these parts.
pub(crate) fn encode_prefix(route: &str, parts: &impl Key) -> String {
    let mut to = KeyWriter::default();
    to.text(route);
    parts.write(&mut to);
    to.into_prefix()
}

/// Reads the stored form: the route and the key; `None` if it is none, or if parts are left.
pub fn decode_key<K: Key>(stored: &str) -> Option<(String, K)> {
    let mut from = KeyReader(Some(stored));
    let route = from.text()?;
    let key = K::read(&mut from)?;
    from.0.is_none().then_some((route, key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(encode_key("a", &"b/c".to_owned()), encode_key("a", &("b".to_owned(), "c".to_owned())));
        assert_ne!(encode_key("a/b", &"c".to_owned()), encode_key("a", &("b".to_owned(), "c".to_owned())));
        assert_eq!(encode_key("T1", &("C#1".to_owned(), 7_u64)), "T1/C#1/00000000000000000007");
    }

    #[test]
    fn a_prefix_holds_the_keys_that_begin_with_its_parts_and_no_others() {
        let prefix = encode_prefix("T", &"C1".to_owned());
        assert!(encode_key("T", &("C1".to_owned(), 3_u64)).starts_with(&prefix));
        assert!(!encode_key("T", &("C12".to_owned(), 3_u64)).starts_with(&prefix));
        assert!(!encode_key("T2", &("C1".to_owned(), 3_u64)).starts_with(&prefix));
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        assert_eq!(decode_key::<u64>("T/x"), None);
        assert_eq!(decode_key::<String>("T"), None);
        assert_eq!(decode_key::<String>("T/a/b"), None);
        assert_eq!(decode_key::<String>("T/%4"), None);
        assert_eq!(decode_key::<String>("T/%ZZ"), None);
    }

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(route: String, text: String, number: u64) {
            let key = (text, number);
            let stored = encode_key(&route, &key);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(decode_key(&stored), Some((route, key)));
        }

        #[test]
        fn numbers_are_ordered_by_value(a: u64, b: u64) {
            prop_assert_eq!(encode_key("T", &a).cmp(&encode_key("T", &b)), a.cmp(&b));
        }

        #[test]
        fn no_key_of_one_route_begins_with_another(a: String, b: String, key: String) {
            prop_assume!(a != b);
            prop_assert!(!encode_key(&b, &key).starts_with(&encode_prefix(&a, &())));
        }
    }
}
