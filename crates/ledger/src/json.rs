//! Sets of rows as one JSON text, which is how they go into one statement of SQLite: an array of them, read back by
//! `json_each`.

use serde::Serialize;

use crate::{Error, valid};

/// The JSON array of these rows: tuples of columns, or single values.
///
/// # Errors
/// None in practice: texts and numbers can always be written.
pub fn json_rows<R: Serialize>(rows: &[R]) -> Result<String, Error> {
    valid(serde_json::to_string(rows))
}
