//! The forms that others rely on: frames, rows that views cast, commands in a journal.

use cheers::{
    CheersFrame, Location, PARTNERS, Partner, PartnerChange, PartnerStatus, PaymentStatus, RequestStatus,
    RideStatus, Rules,
};
use proptest::prelude::*;

use crate::world::{USER, World, at};

#[test]
fn frames_keep_their_form() {
    let location = at(USER);
    let request_id = "main_1".to_owned();
    let offer = CheersFrame::CheerOffer {
        request_id: request_id.clone(),
        location,
        request_type: "cheer".to_owned(),
        distance_m: 608,
        expires_at: 5,
    };
    let status = RequestStatus::NoMatch;
    let ride = CheersFrame::RideStatus {
        ride_id: "main_2".to_owned(),
        request_id: request_id.clone(),
        status: RideStatus::Accepted,
        location,
    };
    let frames = [
        (
            offer,
            r#"{"event":"cheerOffer","detail":{"requestId":"main_1","location":{"lat":12.9716,"lon":77.5946},"requestType":"cheer","distanceM":608,"expiresAt":5}}"#,
        ),
        (
            CheersFrame::OfferRevoked { request_id: request_id.clone() },
            r#"{"event":"offerRevoked","detail":{"requestId":"main_1"}}"#,
        ),
        (
            CheersFrame::RequestStatus { request_id, status },
            r#"{"event":"requestStatus","detail":{"requestId":"main_1","status":"NO_MATCH"}}"#,
        ),
        (
            ride,
            r#"{"event":"rideStatus","detail":{"rideId":"main_2","requestId":"main_1","status":"ACCEPTED","location":{"lat":12.9716,"lon":77.5946}}}"#,
        ),
        (
            CheersFrame::PartnerMoved { location, at: 7 },
            r#"{"event":"partnerMoved","detail":{"location":{"lat":12.9716,"lon":77.5946},"at":7}}"#,
        ),
    ];
    for (frame, json) in frames {
        assert_eq!(serde_json::to_string(&frame).unwrap(), json);
        assert_eq!(serde_json::from_str::<CheersFrame>(json).unwrap(), frame);
    }
}

#[test]
fn a_partners_row_has_its_status_as_a_word() {
    let row = Partner {
        name: "Bo".to_owned(),
        email: "bo@example.org".to_owned(),
        partner_type: Some("band".to_owned()),
        phone: None,
        status: PartnerStatus::Offered { request: "main_1".to_owned() },
        free_since_ms: 3,
    };
    let json = r#"{"name":"Bo","email":"bo@example.org","type":"band","phone":null,"status":"OFFERED","request":"main_1","free_since_ms":3}"#;
    assert_eq!(serde_json::to_string(&row).unwrap(), json);
    assert_eq!(serde_json::from_str::<Partner>(json).unwrap(), row);
    assert_eq!(serde_json::to_string(&PaymentStatus::Refunded).unwrap(), r#""REFUNDED""#);
}

#[test]
fn presence_hears_each_change_of_a_partner() {
    let (mut world, user, [p1, ..]) = World::with_three(Rules::default());
    let request = world.ask(&user);
    let ride = world.accept(&p1, &request);
    world.start(&p1, &ride);
    world.pass(1_000);
    world.end(&p1, &ride);
    let told = world.told(PARTNERS);
    let told = told.iter().map(|event| serde_json::from_str::<PartnerChange>(event).unwrap());
    let of_p1: Vec<_> = told.filter(|change| change.partner == p1).collect();
    let change = |status, free_since_ms| PartnerChange { partner: p1.clone(), status, free_since_ms };
    assert_eq!(
        of_p1,
        [
            change(PartnerStatus::Available, 1_000_000),
            change(PartnerStatus::Offered { request }, 1_000_000),
            change(PartnerStatus::Busy { ride }, 1_000_000),
            change(PartnerStatus::Available, 1_001_000),
        ]
    );
}

#[test]
fn what_is_no_place_is_not_read() {
    for json in [
        r#"{"lat":91,"lon":0}"#,
        r#"{"lat":-90.1,"lon":0}"#,
        r#"{"lat":0,"lon":180.5}"#,
        r#"{"lat":0,"lon":-181}"#,
        r#"{"lat":null,"lon":0}"#,
        r#"{"lat":NaN,"lon":0}"#,
        r#"{"lat":1e400,"lon":0}"#,
        r#"{"lat":"1","lon":0}"#,
        r#"{"lon":0}"#,
        r#"{}"#,
    ] {
        assert!(serde_json::from_str::<Location>(json).is_err(), "{json}");
    }
    for (lat, lon) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, f64::NEG_INFINITY)] {
        assert!(Location::new(lat, lon).is_err());
    }
    for json in
        [r#"{"lat":90.0,"lon":-180.0}"#, r#"{"lat":-90.0,"lon":180.0}"#, r#"{"lat":12.9716,"lon":77.5946}"#]
    {
        let location: Location = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&location).unwrap(), json);
    }
}

proptest! {
    #[test]
    fn a_place_that_is_read_and_written_again_keeps_its_bytes(lat in -90.0..=90.0, lon in -180.0..=180.0) {
        let location = Location::new(lat, lon).unwrap();
        let json = serde_json::to_string(&location).unwrap();
        let read: Location = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read, location);
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        prop_assert!((location.lat() - lat).abs() < 1e-7 && (location.lon() - lon).abs() < 1e-7);
    }
}
