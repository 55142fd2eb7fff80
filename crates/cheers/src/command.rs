//! What can be asked of a market.

use serde::{Deserialize, Serialize};

use crate::{AccountRole, Location, Nearest, PaymentStatus};

/// An act in a market. The market is the route: no rule sees a row of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// As [`crate::is_market`] allows.
    pub market: String,
    pub act: Act,
}

/// What is to be done. The edge has checked the session: each id of a user or a partner here is that of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Makes a user. `email` is normalized ([`crate::email`]).
    Register {
        email: String,
        name: Option<String>,
        password_hash: String,
    },
    /// Makes a partner. `email` is normalized ([`crate::email`]).
    AddPartner {
        email: String,
        name: String,
        partner_type: Option<String>,
        phone: Option<String>,
        password_hash: String,
    },
    /// The partner comes on again after a ride that nobody ended. Positions are no commands: the edge sends this only
    /// where it knows the row to be OFFLINE.
    GoOnline {
        partner: String,
    },
    /// The user asks for a partner, with whom the edge found near.
    Request {
        user: String,
        location: Location,
        request_type: String,
        nearest: Nearest,
    },
    /// The user no longer wants one.
    CancelRequest {
        user: String,
        request: String,
    },
    /// The partner answers an offer.
    AnswerOffer {
        partner: String,
        request: String,
        accept: bool,
    },
    /// The partner has arrived: the meter runs.
    StartRide {
        partner: String,
        ride: String,
        pin: Option<String>,
    },
    EndRide {
        partner: String,
        ride: String,
    },
    /// Before the start: the partner gives the ride back, or the user cancels the request.
    CancelRide {
        by: AccountRole,
        id: String,
        ride: String,
        reason: Option<String>,
    },
    /// The user wants a new link after the old one failed or expired.
    NewLink {
        user: String,
        request: String,
    },
    /// The payment provider reports, signed. Comes under each report as often as the provider sends it.
    ReportPayment(ProviderReport),
    /// An operator gives a request that ended in NO_MATCH another time, with whom the edge finds near now.
    Redrive {
        request: String,
        nearest: Nearest,
    },
    /// An operator ends a ride that was started and flagged.
    EndFlagged {
        ride: String,
        ended_at_ms: i64,
    },
    /// A timer: offers of the request may be over.
    OffersDue {
        request: String,
    },
    /// A timer: the request's time may be over.
    RequestDue {
        request: String,
    },
    /// A timer: the ride may be too long in its state.
    RideDue {
        ride: String,
    },
}

/// What the payment provider says of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderReport {
    pub of: PaymentName,
    /// Never PENDING.
    pub status: PaymentStatus,
    /// The provider's name for what happened; one report is repeated under one reference.
    pub reference: String,
    /// The whole amount. Required for PAID; where it is given it must be that of the payment.
    pub amount_cents: Option<i64>,
    /// The link that it is about, where the provider names it.
    pub session: Option<String>,
}

/// How a report names its payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentName {
    Payment(String),
    Ride(String),
}
