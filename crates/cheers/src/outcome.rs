//! What came of a command, and which HTTP status tells it.

use serde::{Deserialize, Serialize};

use crate::PaymentStatus;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Registered {
        user: String,
    },
    PartnerAdded {
        partner: String,
    },
    Requested {
        request: String,
        /// Unix milliseconds.
        expires_at_ms: i64,
    },
    /// The request is CANCELLED, by this command or before.
    RequestCancelled,
    Accepted {
        ride: String,
    },
    Rejected,
    Started {
        /// Unix milliseconds.
        started_at_ms: i64,
    },
    Ended(EndedRide),
    /// The ride is CANCELLED, by this command or before.
    RideCancelled,
    /// The provider was asked for another link.
    LinkAsked {
        payment: String,
    },
    /// The report was taken; the payment stands so now.
    Reported {
        payment: String,
        status: PaymentStatus,
    },
    Redriven,
    /// A timer, or a partner who came on.
    Done,
    /// Nothing was done but what [`Denial`] says.
    Denied(Denial),
}

/// The end of a ride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRide {
    /// Unix milliseconds.
    pub ended_at_ms: i64,
    /// Whole seconds, rounded down.
    pub duration_s: i64,
    pub fare_cents: i64,
    pub payment: String,
}

/// Why a command was not carried out. Each has a status of HTTP and a name that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// The time given by an operator is before the start or in the future.
    WrongTime,
    /// The session's user or partner is not there.
    UnknownAccount,
    /// The ride is another partner's or user's.
    NotYours,
    /// Counted; after [`crate::Rules::wrong_pins_max`] of them the ride has a new pin.
    WrongPin,
    /// Also where it is another user's.
    UnknownRequest,
    UnknownRide,
    UnknownPayment,
    EmailTaken,
    /// The user has an open request.
    RequestOpen,
    /// The request has ended.
    RequestClosed,
    /// The request is open, or ended otherwise than in NO_MATCH.
    NotUnmatched,
    NotOffered,
    OfferExpired,
    /// Another partner accepted first.
    OfferTaken,
    /// The user cancelled.
    OfferWithdrawn,
    RideNotStarted,
    RideStarted,
    RideCancelled,
    RideEnded,
    /// The ride was ended by time.
    RideFlagged,
    /// An operator may end only a ride that was started and flagged.
    NotFlagged,
    /// The ride has not ended, or there was none.
    NothingToPay,
    AlreadyPaid,
    /// A link lives, or is being made.
    LinkLives,
    AmountDiffers,
}

impl Denial {
    /// The status of HTTP, as the table of docs/cheers.md has it.
    pub fn status(self) -> u16 {
        match self {
            Self::WrongTime => 400,
            Self::UnknownAccount => 401,
            Self::NotYours | Self::WrongPin => 403,
            Self::UnknownRequest | Self::UnknownRide | Self::UnknownPayment => 404,
            Self::EmailTaken
            | Self::RequestOpen
            | Self::RequestClosed
            | Self::NotUnmatched
            | Self::NotOffered
            | Self::OfferExpired
            | Self::OfferTaken
            | Self::OfferWithdrawn
            | Self::RideNotStarted
            | Self::RideStarted
            | Self::RideCancelled
            | Self::RideEnded
            | Self::RideFlagged
            | Self::NotFlagged
            | Self::NothingToPay
            | Self::AlreadyPaid
            | Self::LinkLives
            | Self::AmountDiffers => 409,
        }
    }
}

impl Outcome {
    /// The status of HTTP, as the table of docs/cheers.md has it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Requested { .. } => 202,
            Self::Denied(denial) => denial.status(),
            _ => 200,
        }
    }
}
