//! Batches of rows as one JSON text, which is how a set of rows goes into one statement: an array of arrays, read
//! back by `json_each`.

use std::fmt::Write as _;

/// An array of rows, each an array of values.
#[derive(Debug)]
pub struct Rows {
    text: String,
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    /// None yet.
    pub fn new() -> Self {
        Self { text: String::from("[") }
    }

    /// Begins a row.
    pub fn row(&mut self) -> Row<'_> {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        Row { text: &mut self.text, before: '[' }
    }

    /// Whether no row was begun.
    pub fn is_empty(&self) -> bool {
        self.text.len() == 1
    }

    /// The text.
    pub fn finish(mut self) -> String {
        self.text.push(']');
        self.text
    }
}

/// One row that is being written; its values in the order of the columns.
#[derive(Debug)]
pub struct Row<'a> {
    text: &'a mut String,
    before: char,
}

impl Row<'_> {
    fn value(&mut self) -> &mut String {
        self.text.push(self.before);
        self.before = ',';
        self.text
    }

    /// Adds a number.
    pub fn int(mut self, value: i64) -> Self {
        _ = write!(self.value(), "{value}"); // a String takes everything
        self
    }

    /// Adds a text.
    pub fn text(mut self, value: &str) -> Self {
        quote(self.value(), value);
        self
    }

    /// Adds a text or `null`.
    pub fn opt_text(mut self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(value),
            None => {
                self.value().push_str("null");
                self
            }
        }
    }

    /// Ends the row.
    pub fn end(self) {
        self.text.push(']');
    }
}

/// A flat array of texts.
pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut array = String::from("[");
    for value in values {
        if array.len() > 1 {
            array.push(',');
        }
        quote(&mut array, value);
    }
    array.push(']');
    array
}

fn quote(out: &mut String, value: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[plain..at]);
        plain = at + 1;
        _ = match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(byte)),
            control => write!(out, "\\u{control:04x}"),
        }; // a String takes everything
    }
    out.push_str(&value[plain..]);
    out.push('"');
}
