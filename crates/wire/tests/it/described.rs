//! The API description of bodies matches what is accepted.

use game::{Level, Powerup, PowerupKind, Username};
use serde_json::json;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};
use wire::{AddBody, OpenRoundBody, PowerupBody, PressBody, parse_powerup};

#[test]
fn what_is_documented_is_what_is_read() {
    let of = |schema| serde_json::to_value::<RefOr<Schema>>(schema).expect("a schema is JSON");
    let add = of(AddBody::schema());
    assert_eq!(add["required"], json!(["username"]));
    let fields = &add["properties"];
    for (field, kind, least, most) in [
        ("username", json!("string"), 1, 128),
        ("token", json!(["string", "null"]), 0, 4096),
        ("name", json!(["string", "null"]), 1, 64),
    ] {
        let schema = &fields[field];
        assert_eq!(
            (&schema["type"], &schema["minLength"], &schema["maxLength"]),
            (&kind, &json!(least), &json!(most))
        );
    }
    assert_eq!(fields["platform"]["enum"], json!(["android", "ios", "web", null]));
    assert_eq!(of(PressBody::schema())["properties"]["username"]["maxLength"], 128);
    let lead = of(OpenRoundBody::schema())["properties"]["lead_ms"].clone();
    assert_eq!(
        (&lead["type"], &lead["minimum"], &lead["maximum"]),
        (&json!(["integer", "null"]), &json!(100), &json!(3_600_000))
    );
    // Exactly the powerups that can be bought.
    let powerups = of(PowerupBody::schema());
    for (powerup, kind) in
        powerups["oneOf"].as_array().expect("one for each kind").iter().zip(PowerupKind::ALL)
    {
        assert_eq!(powerup["required"], json!(["username", "powerUpType", "quantity"]));
        assert_eq!(powerup["properties"]["powerUpType"]["enum"], json!([kind.code()]));
        let quantities = powerup["properties"]["quantity"]["enum"].as_array().expect("quantities");
        assert_eq!(quantities.len(), Level::ALL.len());
        for (quantity, level) in quantities.iter().zip(Level::ALL) {
            let body = json!({ "username": "ada", "powerUpType": kind.code(), "quantity": quantity });
            assert_eq!(
                parse_powerup(body.to_string().as_bytes()),
                Ok((Username::new("ada").expect("a valid username"), Powerup { kind, level }))
            );
        }
    }
}
