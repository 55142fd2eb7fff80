//! The rows of a market.

use kind::Table;
use serde::{Deserialize, Serialize};

use crate::{Cheers, Location};

/// How somebody signs in, by the normalized e-mail address ([`crate::email`]). Users and partners share one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub id: String,
    pub role: AccountRole,
    /// As the edge made it (argon2id, PHC string). The rules never look into it.
    pub password_hash: String,
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    User,
    Partner,
}

/// Somebody who asks for a cheer, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheerUser {
    pub email: String,
    pub name: Option<String>,
    /// The request that is open: PENDING, OFFERED or MATCHED.
    pub request: Option<String>,
}

/// Somebody who brings a cheer, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    pub name: String,
    pub email: String,
    #[serde(rename = "type")]
    pub partner_type: Option<String>,
    pub phone: Option<String>,
    #[serde(flatten)]
    pub status: PartnerStatus,
    /// Since when the partner is AVAILABLE, or was last, in Unix milliseconds.
    pub free_since_ms: i64,
}

/// What a partner does, as far as rules know. Who is connected, and where, is presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartnerStatus {
    /// Not asked until the partner comes on again ([`crate::Act::GoOnline`]).
    Offline,
    Available,
    /// Asked, and not asked by another request meanwhile.
    Offered {
        request: String,
    },
    /// On the way to a user or with one.
    Busy {
        ride: String,
    },
}

/// A user's wish for a partner, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheerRequest {
    pub user: String,
    pub location: Location,
    pub request_type: String,
    pub status: RequestStatus,
    /// Why nobody came, where the status is NO_MATCH.
    pub no_match: Option<NoMatch>,
    pub created_at_ms: i64,
    /// Without a match it ends here.
    pub until_ms: i64,
    /// Who was asked, oldest first; at most [`crate::Rules::offers_max`].
    pub offers: Vec<Offer>,
    /// How often somebody outside was asked who is near. The last one's answer counts.
    pub looks: u32,
    /// Who was near and not free in this search; at most [`crate::Rules::passed_max`].
    pub passed: Vec<String>,
    /// The ride that came of it; none again after the partner gave it back.
    pub ride: Option<String>,
    pub matched_at_ms: Option<i64>,
    pub started_at_ms: Option<i64>,
    pub ended_at_ms: Option<i64>,
    pub paid_at_ms: Option<i64>,
    /// When it became COMPLETED, NO_MATCH or CANCELLED.
    pub closed_at_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestStatus {
    /// Nobody is asked now.
    Pending,
    /// At least one offer is open.
    Offered,
    Matched,
    Completed,
    NoMatch,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoMatch {
    /// No partner was near.
    NobodyNear,
    /// Everybody near was asked, and nobody is left.
    NobodyLeft,
    /// The request's time was over.
    Expired,
    /// [`crate::Rules::offers_max`] was reached.
    TooManyOffers,
}

/// A question to one partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub partner: String,
    pub distance_m: u32,
    pub offered_at_ms: i64,
    /// An answer counts before this.
    pub until_ms: i64,
    /// None: it is open.
    pub answer: Option<OfferAnswer>,
    /// When it was answered or ended; of one that was given back, when it was accepted.
    pub answered_at_ms: Option<i64>,
}

/// How an offer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferAnswer {
    Accepted,
    Rejected,
    /// Not answered in time.
    Silent,
    /// Accepted, and given back before the start, by the partner or by time.
    GivenBack,
    /// Taken back: another partner was faster, or the request ended.
    Revoked,
}

impl CheerRequest {
    /// The partners who are not asked again: who rejected, was silent or gave back.
    pub fn excluded(&self) -> impl Iterator<Item = &String> {
        let is_final = |offer: &&Offer| {
            use OfferAnswer::{GivenBack, Rejected, Silent};
            matches!(offer.answer, Some(Rejected | Silent | GivenBack))
        };
        self.offers.iter().filter(is_final).map(|offer| &offer.partner)
    }

    /// The offers that wait for an answer.
    pub fn open_offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.answer.is_none())
    }

    /// The offer that was accepted.
    pub fn accepted(&self) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.answer == Some(OfferAnswer::Accepted))
    }

    /// Whether it waits for a partner.
    pub fn is_waiting(&self) -> bool {
        matches!(self.status, RequestStatus::Pending | RequestStatus::Offered)
    }
}

/// A partner on the way to a user or with one, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ride {
    pub request: String,
    pub user: String,
    pub partner: String,
    pub status: RideStatus,
    /// Why it is or was FLAGGED.
    pub flag: Option<RideFlag>,
    pub accepted_at_ms: i64,
    /// The arrival: the meter's zero.
    pub started_at_ms: Option<i64>,
    pub ended_at_ms: Option<i64>,
    pub fare_cents: Option<i64>,
    /// Four digits that the user sees.
    pub pin: String,
    /// Since the pin was made.
    pub wrong_pins: u32,
    /// What was said to the cancellation.
    pub reason: Option<String>,
    pub payment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RideStatus {
    Accepted,
    Started,
    Ended,
    /// By the user, or given back by the partner.
    Cancelled,
    /// Ended by time; an operator should look.
    Flagged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RideFlag {
    NeverStarted,
    NeverEnded,
}

/// What a user owes for a ride, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub ride: String,
    pub request: String,
    pub user: String,
    pub amount_cents: i64,
    pub status: PaymentStatus,
    pub made_at_ms: i64,
    pub link: CheckoutLink,
    /// How often the provider was called: a part of the effects' names. One call waits at a time.
    pub calls: u32,
    /// The provider's name for what paid it.
    pub reference: Option<String>,
    /// What the provider said, without repetitions; the last [`crate::Rules::reports_max`].
    pub reports: Vec<PaymentReport>,
}

/// In the order in which a payment moves. Only a new link takes it back, from FAILED to PENDING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    Pending,
    Failed,
    Paid,
    Refunded,
    Disputed,
}

/// What the provider said once, under one reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReport {
    pub status: PaymentStatus,
    pub reference: String,
    pub at_ms: i64,
}

/// The one link of a payment that could be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CheckoutLink {
    /// The provider was asked for one.
    Asked,
    Open {
        /// The provider's name for the link.
        session: String,
        /// None: the page is of no more use, such as while a bank transfer is under way.
        url: Option<String>,
        /// Until then no other link is made.
        until_ms: i64,
    },
    /// The provider was asked to end it.
    Expiring { session: String },
    /// There is none.
    Closed,
}

macro_rules! tables {
    ($($row:ty, $name:literal;)+) => {
        $(impl Table for $row {
            type Kind = Cheers;
            type Key = String;

            const NAME: &'static str = $name;
        })+
    };
}
tables! {
    Credential, "credential";
    CheerUser, "user";
    Partner, "partner";
    CheerRequest, "request";
    Ride, "ride";
    Payment, "payment";
}
