//! What is asked of others after the commit, and what they answer.

use serde::{Deserialize, Serialize};

use crate::{Location, Nearest};

/// A question to presence or to the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Who is near? Answered by [`Reply::Nearest`], from [`crate::nearest()`].
    Nearest { place: Location, excluded: Vec<String> },
    /// Makes a page where the amount, in US cents, can be paid. Answered by [`Reply::Link`].
    MakeLink {
        payment: String,
        ride: String,
        amount_cents: i64,
        /// How long the link may live, from the provider's first try.
        live_ms: i64,
    },
    /// Ends a link, so that nobody can pay by it any more. Answered by [`Reply::LinkEnded`], [`Reply::LinkPaid`] or
    /// [`Reply::LinkUnderway`].
    EndLink { payment: String, session: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Nearest(Nearest),
    Link {
        /// The provider's name for the link.
        session: String,
        url: String,
        /// Unix milliseconds.
        until_ms: i64,
    },
    /// Nobody can pay by the link any more, and nobody has.
    LinkEnded,
    /// The link was paid before it could be ended.
    LinkPaid {
        reference: String,
        amount_cents: i64,
    },
    /// The link was used, and whether money comes is not known yet, such as with a bank transfer.
    LinkUnderway,
}
