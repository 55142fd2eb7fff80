//! Reading a row's columns one after the other, and the texts and numbers in them back into the game's values.

use std::fmt::Display;

use game::{DisplayName, Platform, PurchaseId, Round, Token, Username};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::{Error, Position};

/// A row, and the column that is read next.
#[derive(Debug)]
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    at: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r SqliteRow) -> Self {
        Self { row, at: 0 }
    }

    fn next<T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>>(&mut self) -> Result<T, Error> {
        let at = self.at;
        self.at += 1;
        Ok(self.row.try_get(at)?)
    }

    pub(super) fn int(&mut self) -> Result<i64, Error> {
        self.next()
    }

    /// A number that was stored bit by bit.
    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        Ok(self.int()?.cast_unsigned())
    }

    /// A number that must fit.
    pub(super) fn small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<T, Error> {
        valid(T::try_from(self.int()?))
    }

    pub(super) fn text(&mut self) -> Result<&'r str, Error> {
        self.next()
    }

    pub(super) fn opt_text(&mut self) -> Result<Option<&'r str>, Error> {
        self.next()
    }

    pub(super) fn username(&mut self) -> Result<Username, Error> {
        valid(Username::new(self.text()?))
    }

    pub(super) fn name(&mut self) -> Result<Option<DisplayName>, Error> {
        valid(self.opt_text()?.map(DisplayName::new).transpose())
    }

    pub(super) fn platform(&mut self) -> Result<Option<Platform>, Error> {
        valid(self.opt_text()?.map(Platform::from_code).transpose())
    }

    pub(super) fn token(&mut self) -> Result<Token, Error> {
        valid(Token::new(self.text()?))
    }

    pub(super) fn purchase_id(&mut self) -> Result<PurchaseId, Error> {
        valid(PurchaseId::new(self.text()?))
    }

    /// `inbox, sequence`
    pub(super) fn position(&mut self) -> Result<Position, Error> {
        Ok(Position { inbox: self.small()?, sequence: sequence(self.text()?)? })
    }

    /// `id, opens_at_ms, window_ms, grace_ms`
    pub(super) fn round(&mut self) -> Result<Round, Error> {
        round((self.u64()?, self.int()?, self.int()?, self.int()?))
    }
}

/// The value, or that the database holds what it cannot.
pub(super) fn valid<T, E: Display>(value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|error| Error::corrupt(error.to_string()))
}

/// What a code stands for.
pub(super) fn known<T>(value: Option<T>, what: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::corrupt(format!("no {what} has this code")))
}

/// A round from its columns.
pub(super) fn round((id, opens_at_ms, window_ms, grace_ms): (u64, i64, i64, i64)) -> Result<Round, Error> {
    valid(Round::new(id, opens_at_ms, window_ms, grace_ms))
}

/// A sequence from its text.
pub(super) fn sequence(text: &str) -> Result<u128, Error> {
    valid(text.parse())
}

/// The text of a sequence: as long as the greatest one, so that texts stand in the order of the numbers.
pub(super) fn sequence_text(sequence: u128) -> String {
    format!("{sequence:039}")
}
