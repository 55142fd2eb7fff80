//! What sockets of users and partners get.

use serde::{Deserialize, Serialize};

use crate::{CheerRequest, Location, Partner, PartnerStatus, RequestStatus, Ride, RideStatus};

/// A frame of a socket: `{"event":…,"detail":{…}}`. Times are Unix milliseconds. Rules publish them as they are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "detail", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CheersFrame {
    /// To a partner.
    CheerOffer {
        request_id: String,
        location: Location,
        request_type: String,
        distance_m: u32,
        expires_at: i64,
    },
    /// To a partner whose open offer ended by no doing of the partner.
    OfferRevoked { request_id: String },
    /// To a user.
    RequestStatus { request_id: String, status: RequestStatus },
    /// To the user and the partner of a ride.
    RideStatus { ride_id: String, request_id: String, status: RideStatus, location: Location },
    /// To a user between match and start, from presence: the rules never publish it.
    PartnerMoved { location: Location, at: i64 },
}

/// What a partner's row says now: published under [`PARTNERS`], for the presence of each process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerChange {
    pub partner: String,
    #[serde(flatten)]
    pub status: PartnerStatus,
    /// Unix milliseconds.
    pub free_since_ms: i64,
}

/// The topic of [`PartnerChange`]. No client hears it.
pub const PARTNERS: &str = "partners";

/// The topic, and the name as a listener, of a user.
pub fn user_topic(user: &str) -> String {
    format!("user {user}")
}

/// The topic, and the name as a listener, of a partner.
pub fn partner_topic(partner: &str) -> String {
    format!("partner {partner}")
}

/// The topic of [`CheersFrame::PartnerMoved`] of a partner. The rules let a user follow it from the match to the start.
pub fn moves_topic(partner: &str) -> String {
    format!("moves {partner}")
}

/// What a user gets on connect: the status of the open request.
pub fn frames_for_user(request_id: &str, request: &CheerRequest) -> Vec<CheersFrame> {
    vec![CheersFrame::RequestStatus { request_id: request_id.to_owned(), status: request.status }]
}

/// What a user hears from connect on, with the ride of the open request.
pub fn topics_for_user(user: &str, ride: Option<&Ride>) -> Vec<String> {
    let on_the_way = ride.filter(|ride| ride.status == RideStatus::Accepted);
    let moves = on_the_way.map(|ride| moves_topic(&ride.partner));
    [user_topic(user)].into_iter().chain(moves).collect()
}

/// What a partner gets on connect: the open offer, or the current ride.
///
/// `request` and `ride` are the rows that the partner's status leads to, `now_ms` is in Unix milliseconds.
pub fn frames_for_partner(
    partner_id: &str,
    partner: &Partner,
    request: Option<&CheerRequest>,
    ride: Option<&Ride>,
    now_ms: i64,
) -> Vec<CheersFrame> {
    let frame = match (&partner.status, request, ride) {
        (PartnerStatus::Offered { request: id }, Some(request), _) => {
            let mut open = request.open_offers();
            let offer = open.find(|offer| offer.partner == partner_id && now_ms < offer.until_ms);
            offer.map(|offer| request.offer_frame(id, offer.distance_m, offer.until_ms))
        }
        (PartnerStatus::Busy { ride: id }, Some(request), Some(ride)) => {
            Some(ride.frame(id, request.location))
        }
        _ => None,
    };
    frame.into_iter().collect()
}

impl CheerRequest {
    pub(crate) fn offer_frame(&self, id: &str, distance_m: u32, expires_at: i64) -> CheersFrame {
        CheersFrame::CheerOffer {
            request_id: id.to_owned(),
            location: self.location,
            request_type: self.request_type.clone(),
            distance_m,
            expires_at,
        }
    }
}

impl Ride {
    pub(crate) fn frame(&self, id: &str, location: Location) -> CheersFrame {
        CheersFrame::RideStatus {
            ride_id: id.to_owned(),
            request_id: self.request.clone(),
            status: self.status,
            location,
        }
    }
}
