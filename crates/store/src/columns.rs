//! Reads the columns of a row in order, and turns them into values of the game. Both backends select the same columns
//! in the same order.

use std::ops::{Deref, DerefMut};

use game::{
    Device, DisplayName, KnownRound, Platform, PurchaseId, PurchaseOutcome, Round, Rounds, Standing, Token,
    Username,
};
pub(crate) use ledger::{known, valid};

use crate::types::stage_of;
use crate::{DeviceRow, Error, Job, Scheduled};

/// The ledger's columns, extended by the values of the game.
#[derive(Debug)]
pub(crate) struct Columns<'r>(ledger::Columns<'r>);

impl<'r, R> From<&'r R> for Columns<'r>
where
    ledger::Columns<'r>: From<&'r R>,
{
    fn from(row: &'r R) -> Self {
        Self(row.into())
    }
}

impl<'r> Deref for Columns<'r> {
    type Target = ledger::Columns<'r>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Columns<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// A value that is read from the next column by its type.
pub(crate) trait Column<'r>: Sized {
    fn read(columns: &mut Columns<'r>) -> Result<Self, Error>;
}

macro_rules! column {
    ($($value:ty: $method:ident),+) => {$(
        impl<'r> Column<'r> for $value {
            fn read(columns: &mut Columns<'r>) -> Result<Self, Error> {
                columns.$method()
            }
        }
    )+};
}
column!(&'r str: text, Option<&'r str>: opt_text, i64: int, Option<i64>: opt_int, i16: small, Option<i16>: opt_small);

impl Columns<'_> {
    pub(crate) fn username(&mut self) -> Result<Username, Error> {
        valid(Username::new(self.text()?))
    }

    pub(crate) fn name(&mut self) -> Result<Option<DisplayName>, Error> {
        valid(self.opt_text()?.map(DisplayName::new).transpose())
    }

    fn platform(&mut self) -> Result<Option<Platform>, Error> {
        valid(self.opt_text()?.map(Platform::from_code).transpose())
    }

    fn opt_token(&mut self) -> Result<Option<Token>, Error> {
        valid(self.opt_bytes()?.map(Token::new).transpose())
    }

    fn token(&mut self) -> Result<Token, Error> {
        self.opt_token()?.ok_or_else(|| Error::corrupt("a column holds nothing"))
    }

    pub(crate) fn purchase_id(&mut self) -> Result<PurchaseId, Error> {
        valid(PurchaseId::new(self.text()?))
    }

    pub(crate) fn purchase_outcome(&mut self) -> Result<PurchaseOutcome, Error> {
        known(PurchaseOutcome::from_code(self.text()?), "outcome of a purchase")
    }

    /// `id, opens_at_ms, window_ms, grace_ms`
    pub(crate) fn round(&mut self) -> Result<Round, Error> {
        valid(Round::new(self.u64()?, self.int()?, self.int()?, self.int()?))
    }

    /// `id, opens_at_ms, window_ms, grace_ms, late`
    pub(crate) fn known_round(&mut self) -> Result<KnownRound, Error> {
        Ok(KnownRound { round: self.round()?, late: self.bool()? })
    }

    /// `score, reached_at_ms, username`
    pub(crate) fn standing(&mut self) -> Result<Standing, Error> {
        Ok(Standing { score: self.u64()?, reached_at_ms: self.int()?, username: self.username()? })
    }

    /// `arrived_at_ms, username, platform`
    pub(crate) fn device(&mut self) -> Result<Device, Error> {
        Ok(Device { arrived_at_ms: self.int()?, username: self.username()?, platform: self.platform()? })
    }

    /// `token, username, platform`
    pub(crate) fn device_row(&mut self) -> Result<DeviceRow, Error> {
        Ok(DeviceRow { token: self.token()?, username: self.username()?, platform: self.platform()? })
    }

    /// `token, partition, arrived_at_ms, username, platform`
    pub(crate) fn owned_device(&mut self) -> Result<(Token, (u16, Device)), Error> {
        Ok((self.token()?, (self.small()?, self.device()?)))
    }

    /// `id, taken, partition, topic, payload, expires_at_ms, cursor`
    pub(crate) fn job(&mut self) -> Result<Job, Error> {
        Ok(Job {
            id: self.int()?,
            taken: self.int()?,
            partition: self.small()?,
            topic: self.text()?.to_owned(),
            payload: self.text()?.to_owned(),
            expires_at_ms: self.opt_int()?,
            cursor: self.opt_token()?,
        })
    }

    /// `id, opens_at_ms, window_ms, grace_ms, by_operator, stage, ticks_sent`
    pub(crate) fn scheduled(&mut self) -> Result<Scheduled, Error> {
        Ok(Scheduled {
            round: self.round()?,
            by_operator: self.bool()?,
            stage: known(stage_of(self.int()?), "stage")?,
            ticks_sent: self.small()?,
        })
    }
}

/// Rounds from rows of their columns, in the order of their ids.
pub(crate) fn rounds(rows: impl IntoIterator<Item = Result<KnownRound, Error>>) -> Result<Rounds, Error> {
    let mut rounds = Rounds::default();
    for round in rows {
        valid(rounds.announce(round?))?;
    }
    Ok(rounds)
}
