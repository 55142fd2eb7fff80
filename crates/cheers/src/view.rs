//! What a user sees of a request.

use serde::{Deserialize, Serialize};

use crate::{CheckoutLink, CheerRequest, Partner, Payment, PaymentStatus, RequestStatus, Ride, RideStatus};

/// The body of `GET /cheerRequest/{id}`. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheerRequestView {
    pub request_id: String,
    pub status: RequestStatus,
    pub expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ride: Option<RideView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerView {
    pub id: String,
    pub name: String,
    pub distance_m: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RideView {
    pub ride_id: String,
    pub status: RideStatus,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub fare_cents: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    pub payment_id: String,
    pub amount_cents: i64,
    /// Where it can be paid; none while there is no such page.
    pub link: Option<String>,
    pub status: PaymentStatus,
}

impl CheerRequestView {
    /// What `user` sees at `now_ms` (Unix milliseconds) of a request, with the rows that it leads to. `None`: it is another
    /// user's.
    pub fn new(
        user: &str,
        (request_id, request): (&str, &CheerRequest),
        ride: Option<&Ride>,
        partner: Option<&Partner>,
        payment: Option<&Payment>,
        now_ms: i64,
    ) -> Option<Self> {
        if request.user != user {
            return None;
        }
        let partner = request.accepted().zip(partner).map(|(offer, partner)| PartnerView {
            id: offer.partner.clone(),
            name: partner.name.clone(),
            distance_m: offer.distance_m,
        });
        let named = request.ride.as_ref().zip(ride);
        let payment = ride.and_then(|ride| ride.payment.as_ref()).zip(payment);
        Some(Self {
            request_id: request_id.to_owned(),
            status: request.status,
            expires_at: request.until_ms,
            partner,
            pin: named.filter(|_| request.status == RequestStatus::Matched).map(|(_, ride)| ride.pin.clone()),
            ride: named.map(|(id, ride)| RideView {
                ride_id: id.clone(),
                status: ride.status,
                start_time: ride.started_at_ms,
                end_time: ride.ended_at_ms,
                fare_cents: ride.fare_cents,
            }),
            payment: payment.map(|(id, payment)| PaymentView {
                payment_id: id.clone(),
                amount_cents: payment.amount_cents,
                link: payment.open_page(now_ms).map(str::to_owned),
                status: payment.status,
            }),
        })
    }
}

impl Payment {
    /// Where it can be paid now.
    fn open_page(&self, now_ms: i64) -> Option<&str> {
        match &self.link {
            CheckoutLink::Open { url: Some(url), until_ms, .. }
                if self.status == PaymentStatus::Pending && now_ms < *until_ms =>
            {
                Some(url)
            }
            _ => None,
        }
    }
}
