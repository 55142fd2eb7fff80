//! Commands that the decoder rejects, with the reason that the dead letter carries.

use engine::{Entry, Envelope};
use wire::{DecodeError, decode_action};

const TIME: &str = "must be from 0 to 9007199254740991";

/// Each text is rejected with a reason that begins with this; serde's message and position follow.
fn refused(read: impl Fn(&str) -> Result<(), DecodeError>, table: &[(&str, &str)]) {
    for (text, reason) in table {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(reason), "{text}: {error}");
    }
}

#[test]
fn a_command_that_is_not_exactly_one_is_refused() {
    let long = format!(r#"{{"press":{{"username":"{}"}}}}"#, "a".repeat(129));
    let table = [
        ("", "not a command: EOF"),
        ("null", "not a command: "),
        ("{}", "not a command: "),
        (r#""press""#, "not a command: "),
        (r#"["press"]"#, "not a command: "),
        (r#"{"press":null}"#, "not a command: "),
        (r#"{"press":["ada"]}"#, "not a command: the fields must be a JSON object"),
        (r#"{"tick" : [ 5 ] }"#, "not a command: the fields must be a JSON object"),
        (r#"{"pr\u0065ss":["{:{"]}"#, "not a command: the fields must be a JSON object"),
        (r#"{"press":{}}"#, "not a command: missing field `username`"),
        (r#"{"press":{"username":5}}"#, "not a command: invalid type: integer"),
        (r#"{"press":{"username":"a","x":1}}"#, "not a command: unknown field `x`"),
        (r#"{"press":{"username":"a","username":"b"}}"#, "not a command: duplicate field `username`"),
        (r#"{"press":{"username":"a"},"tick":{"through_ms":1}}"#, "not a command: "),
        (r#"{"Press":{"username":"a"}}"#, "not a command: unknown variant `Press`"),
        (r#"{"fly":{}}"#, "not a command: unknown variant `fly`"),
        (long.as_str(), "invalid command: username: has 129 bytes"),
        (r#"{"press":{"username":"\u0000"}}"#, "invalid command: username: must not contain control"),
        (r#"{"add":{"username":"a","name":""}}"#, "invalid command: name: must not be empty"),
        (r#"{"add":{"username":"a","platform":"tv"}}"#, "invalid command: platform: must be one of"),
    ];
    refused(|text| decode_action(text, || "e.0".to_owned()).map(drop), &table);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let buy = |level: &str| format!(r#"{{"buy":{{"username":"a","powerup":"FREEZE","level":{level}}}}}"#);
    let round = |round: &str, opens: &str, window: &str, grace: &str| {
        format!(
            r#"{{"announce":{{"round":{round},"opens_at_ms":{opens},"window_ms":{window},"grace_ms":{grace}}}}}"#
        )
    };
    let day = "must be from 1 to 86400000";
    let time = |field: &str| format!("invalid command: {field}: {TIME}");
    let table = [
        (buy("0"), "invalid command: level: must be one of 1, 2, 3, 4".to_owned()),
        (buy("5"), "invalid command: level: must be one of 1, 2, 3, 4".to_owned()),
        (buy("256"), "not a command: invalid value".to_owned()),
        (buy("-1"), "not a command: invalid value".to_owned()),
        (buy("1.5"), "not a command: invalid type".to_owned()),
        (r#"{"tick":{"through_ms":-1}}"#.to_owned(), time("through_ms")),
        (r#"{"tick":{"through_ms":9007199254740992}}"#.to_owned(), time("through_ms")),
        (round("0", "1", "1", "0"), "invalid command: round: must be from 1 to 9007199254740991".to_owned()),
        (round("18446744073709551615", "1", "1", "0"), "invalid command: round: must be from 1".to_owned()),
        (round("18446744073709551616", "1", "1", "0"), "not a command: invalid ".to_owned()),
        (round("1", "-1", "1", "0"), time("opens_at")),
        (round("1", "9007199254740992", "1", "0"), time("opens_at")),
        (round("1", "1", "0", "0"), format!("invalid command: window: {day}")),
        (round("1", "1", "86400001", "0"), format!("invalid command: window: {day}")),
        (round("1", "1", "1", "-1"), "invalid command: grace: must be from 0 to 86400000".to_owned()),
        (round("1", "1", "1", "86400001"), "invalid command: grace: must be from 0 to 86400000".to_owned()),
    ];
    let table: Vec<_> = table.iter().map(|(text, reason)| (text.as_str(), reason.as_str())).collect();
    refused(|text| decode_action(text, || "e.0".to_owned()).map(drop), &table);
}

#[test]
fn a_purchase_without_an_id_needs_an_entry_id_that_can_name_it() {
    let buy = r#"{"buy":{"username":"a","powerup":"FREEZE","level":1}}"#;
    assert!(decode_action(buy, || "e.0".to_owned()).is_ok());
    for (id, reason) in [
        ("two words", "invalid command: Idempotency-Key: must consist of visible ASCII characters"),
        ("", "invalid command: Idempotency-Key: must not be empty"),
    ] {
        assert_eq!(decode_action(buy, || id.to_owned()).unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_bad_entry_spoils_only_itself() {
    let press = |name: &str| format!(r#"{{"at":5,"c":{{"press":{{"username":"{name}"}}}}}}"#);
    let bad = [r#"{"at":-1,"c":{}}"#, r#"{"at":5,"c":{"fly":{}}}"#, "[[[]]]", "null", r#"{"x":"\ud800"}"#];
    let entries = format!("[{},{},{}]", press("ada"), bad.join(","), press("bob"));
    let text = format!(r#"{{"v":1,"inbox":"i","partitions":2,"id":"e","entries":{entries}}}"#);
    let envelope = Envelope::decode(&text).unwrap();
    let name = |entry: Entry<'_>| {
        let action = decode_action(entry.payload, || entry.id()).ok()?;
        Some(action.username()?.as_str().to_owned())
    };
    let names: Vec<_> = envelope.entries().map(|entry| entry.ok().and_then(name)).collect();
    let mut expected = vec![None; bad.len() + 2];
    expected[0] = Some("ada".to_owned());
    expected[bad.len() + 1] = Some("bob".to_owned());
    assert_eq!(names, expected);
}
