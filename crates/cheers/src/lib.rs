//! A kind of crowd: the nearest partner, now, by the meter.
//!
//! A user asks for a partner here and now. The nearest free partner gets an offer and has 30 s. The meter runs from the
//! arrival to the end of the ride, and the user pays online. docs/cheers.md has the rules; everything here is pure.
//!
//! A market is a route: its users, partners, requests, rides and payments never meet those of another market. Who is
//! connected, and where, is presence and no row: an edge looks with [`nearest()`] and puts the answer into the command, and a
//! rule that needs another look asks for [`Effect::Nearest`]. So a replay comes to the same partners.

mod bounds;
mod cheers;
mod command;
mod effect;
mod frame;
mod id;
mod location;
mod market;
mod nearest;
mod offers;
mod outcome;
mod payments;
mod requests;
mod rides;
mod settings;
mod signup;
mod tables;
mod view;

pub use bounds::{
    EMAIL_BYTES_MAX, NAME_CHARS_MAX, PARTNER_TYPE_CHARS_MAX, PASSWORD_HASH_CHARS_MAX, PHONE_CHARS_MAX,
    REASON_CHARS_MAX, REFERENCE_CHARS_MAX, REQUEST_TYPE_CHARS_MAX, email, is_text,
};
pub use cheers::Cheers;
pub use command::{Act, Command, PaymentName, ProviderReport};
pub use effect::{Effect, Reply};
pub use frame::{
    CheersFrame, PARTNERS, PartnerChange, frames_for_partner, frames_for_user, moves_topic, partner_topic,
    topics_for_user, user_topic,
};
pub use id::{MARKET_BYTES_MAX, is_market, market_of};
pub use location::{Location, LocationError};
pub use nearest::{Candidate, Nearest, PartnerPosition, nearest};
pub use outcome::{Denial, EndedRide, Outcome};
pub use settings::Rules;
pub use tables::{
    AccountRole, CheckoutLink, CheerRequest, CheerUser, Credential, NoMatch, Offer, OfferAnswer, Partner,
    PartnerStatus, Payment, PaymentReport, PaymentStatus, RequestStatus, Ride, RideFlag, RideStatus,
};
pub use view::{CheerRequestView, PartnerView, PaymentView, RideView};
