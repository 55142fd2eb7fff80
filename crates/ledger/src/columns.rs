//! Reads the columns of a row in order. Both backends select the same columns in the same order.

use std::fmt::Display;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::{Error, Identity, JournalEntry, Position};

/// A row of either backend.
#[derive(Debug, Clone, Copy)]
enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// A row and its next column. A value of another type than the method reads is [`Error::Corrupt`].
#[derive(Debug)]
pub struct Columns<'r> {
    row: Row<'r>,
    at: usize,
}

impl<'r> From<&'r SqliteRow> for Columns<'r> {
    fn from(row: &'r SqliteRow) -> Self {
        Self { row: Row::Sqlite(row), at: 0 }
    }
}

impl<'r> From<&'r PgRow> for Columns<'r> {
    fn from(row: &'r PgRow) -> Self {
        Self { row: Row::Postgres(row), at: 0 }
    }
}

impl<'r> Columns<'r> {
    fn next(&mut self) -> (Row<'r>, usize) {
        self.at += 1;
        (self.row, self.at - 1)
    }

    /// A number.
    pub fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?.ok_or_else(null)
    }

    /// A number or NULL.
    pub fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            // Unchecked: a narrow column is read as a wide number. A column of another type still fails.
            (Row::Postgres(row), at) => row.try_get_unchecked(at)?,
        })
    }

    /// An unsigned number, stored as the signed number with the same bits.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(self.int()?.cast_unsigned())
    }

    /// A number of a smaller type.
    pub fn small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<T, Error> {
        valid(T::try_from(self.int()?))
    }

    /// A number of a smaller type, or NULL.
    pub fn opt_small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<Option<T>, Error> {
        valid(self.opt_int()?.map(T::try_from).transpose())
    }

    /// A boolean.
    pub fn bool(&mut self) -> Result<bool, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'r str, Error> {
        self.opt_text()?.ok_or_else(null)
    }

    /// A text or NULL.
    pub fn opt_text(&mut self) -> Result<Option<&'r str>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    /// A text or NULL. PostgreSQL stores it as bytes: its texts cannot hold every character, and its indexes must
    /// compare bytes.
    pub fn opt_bytes(&mut self) -> Result<Option<&'r str>, Error> {
        let bytes: Option<&'r [u8]> = match self.next() {
            (Row::Sqlite(row), at) => return Ok(row.try_get(at)?),
            (Row::Postgres(row), at) => row.try_get(at)?,
        };
        valid(bytes.map(std::str::from_utf8).transpose())
    }

    /// `inbox, sequence`
    pub fn position(&mut self) -> Result<Position, Error> {
        Ok(Position { generation: self.small()?, sequence: valid(self.text()?.parse())? })
    }

    /// `partition, inbox, sequence`
    pub(crate) fn partition_position(&mut self) -> Result<(u16, Position), Error> {
        Ok((self.small()?, self.position()?))
    }

    /// `number, inbox_id, partitions`, the last a text
    pub(crate) fn identity(&mut self) -> Result<Identity, Error> {
        let (generation, inbox_id) = (self.small()?, self.text()?.to_owned());
        Ok(Identity { generation, inbox_id, partitions: valid(self.text()?.parse())? })
    }

    /// `inbox, sequence, stored_at_ms, body, buried`
    pub(crate) fn journal_entry(&mut self) -> Result<JournalEntry, Error> {
        Ok(JournalEntry {
            position: self.position()?,
            stored_at_ms: self.opt_int()?,
            body: self.opt_bytes()?.ok_or_else(null)?.to_owned(),
            buried: valid(serde_json::from_str(self.text()?))?,
        })
    }
}

fn null() -> Error {
    Error::corrupt("a column holds nothing")
}

/// The value; an error means that the database is corrupt.
///
/// # Errors
/// [`Error::Corrupt`] with the error's text.
pub fn valid<T, E: Display>(value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|error| Error::corrupt(error.to_string()))
}

/// The value that a code of the database stands for.
///
/// # Errors
/// [`Error::Corrupt`] when there is none.
pub fn known<T>(value: Option<T>, what: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::corrupt(format!("no {what} has this code")))
}

/// A sequence as text, padded to the length of the greatest one, so that texts sort like the numbers.
pub fn sequence_text(sequence: u128) -> String {
    format!("{sequence:039}")
}
