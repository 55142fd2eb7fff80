//! What the decoders of the envelope refuse, and the reason that the dead letter carries.

use wire::{DecodeError, Entry, decode, decode_action};

const TIME: &str = "must be from 0 to 9007199254740991";

fn envelope(fields: &str) -> String {
    format!(r#"{{"v":1,"inbox":"i","partitions":2,"id":"e"{fields}}}"#)
}

/// Each text is refused with a reason that begins so; what follows is serde's own text and position.
fn refused(read: impl Fn(&str) -> Result<(), DecodeError>, table: &[(&str, &str)]) {
    for (text, reason) in table {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(reason), "{text}: {error}");
    }
}

#[test]
fn an_envelope_that_is_not_exactly_one_is_refused() {
    let deep = "[".repeat(10_000);
    let deep_field = envelope(&format!(r#","entries":[],"x":{deep}"#));
    let extra = envelope(r#","entries":[],"x":0"#);
    let twice = envelope(r#","entries":[],"entries":[]"#);
    let trailing = envelope(r#","entries":[]"#) + "{}";
    let map = envelope(r#","entries":{}"#);
    let table = [
        ("", "not an envelope: must be a JSON object"),
        ("null", "not an envelope: must be a JSON object"),
        ("7", "not an envelope: must be a JSON object"),
        (r#"[1,"i",2,"e",[]]"#, "not an envelope: must be a JSON object"),
        (deep.as_str(), "not an envelope: must be a JSON object"),
        ("\u{feff}{}", "not an envelope: must be a JSON object"),
        ("{", "not an envelope: EOF"),
        ("{}", "not an envelope: missing field `v`"),
        (r#"{"v":1}"#, "not an envelope: missing field `inbox`"),
        (r#"{"v":"1"}"#, "not an envelope: invalid type: string \"1\""),
        (r#"{"v":1.0}"#, "not an envelope: invalid type: floating point"),
        (r#"{"v":-1}"#, "not an envelope: invalid value: integer `-1`"),
        (r#"{"v":4294967296}"#, "not an envelope: invalid value"),
        (r#"{"v":1,"v":2}"#, "not an envelope: duplicate field `v`"),
        (r#"{"v":1,"inbox":"\ud800"}"#, "not an envelope: unexpected end of hex escape"),
        (r#"{"v":1,"inbox":null}"#, "not an envelope: invalid type: null"),
        (r#"{"v":1,"inbox":"i","partitions":65536}"#, "not an envelope: invalid value: integer `65536`"),
        (r#"{"v":1,"inbox":"i","partitions":1,"id":5}"#, "not an envelope: invalid type: integer `5`"),
        (deep_field.as_str(), "not an envelope: unknown field `x`"),
        (extra.as_str(), "not an envelope: unknown field `x`"),
        (twice.as_str(), "not an envelope: duplicate field `entries`"),
        (trailing.as_str(), "not an envelope: trailing characters"),
        (map.as_str(), "not an envelope: invalid type: map"),
    ];
    refused(|text| decode(text).map(drop), &table);
}

#[test]
fn an_unknown_version_is_the_reason_whatever_else_is_new() {
    for text in [
        r#"{"v":2}"#,
        r#"{"v":2,"inbox":"i","partitions":2,"id":"e","entries":[]}"#,
        r#"{"inbox":["i"],"shards":2,"v":2,"entries":{}}"#,
    ] {
        let error = decode(text).unwrap_err();
        assert!(matches!(error, DecodeError::Version { found: 2 }), "{text}: {error}");
        assert_eq!(error.to_string(), "envelope version 2 is unknown, this program reads version 1");
    }
    assert!(matches!(decode(r#"{"v":0}"#).unwrap_err(), DecodeError::Version { found: 0 }));
}

#[test]
fn only_1_mib_is_read() {
    let mut text = envelope(r#","entries":[]"#);
    text.push_str(&" ".repeat(1_048_576 - text.len()));
    assert_eq!(decode(&text).unwrap().partitions, 2);
    text.push(' ');
    let error = decode(&text).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong { found: 1_048_577 }), "{error}");
    assert_eq!(error.to_string(), "the message has 1048577 bytes, at most 1048576 are read");
}

#[test]
fn an_entry_that_is_not_exactly_one_is_refused() {
    let late = format!("invalid command: at: {TIME}");
    let table = [
        ("7", "not an entry: must be a JSON object"),
        ("[null,5,{}]", "not an entry: must be a JSON object"),
        ("{}", "not an entry: missing field `at`"),
        (r#"{"at":1}"#, "not an entry: missing field `c`"),
        (r#"{"at":"1","c":{}}"#, "not an entry: invalid type: string"),
        (r#"{"at":1.5,"c":{}}"#, "not an entry: invalid type: floating point"),
        (r#"{"at":1e999,"c":{}}"#, "not an entry: number out of range"),
        (r#"{"at":null,"c":{}}"#, "not an entry: invalid type: null"),
        (r#"{"at":1,"at":2,"c":{}}"#, "not an entry: duplicate field `at`"),
        (r#"{"id":5,"at":1,"c":{}}"#, "not an entry: invalid type: integer"),
        (r#"{"at":1,"c":{},"z":1}"#, "not an entry: unknown field `z`"),
        (r#"{"at":1,"c":{}} x"#, "not an entry: trailing characters"),
        (r#"{"at":9223372036854775808,"c":{}}"#, "not an entry: invalid value"),
        (r#"{"at":-1,"c":{}}"#, late.as_str()),
        (r#"{"at":9007199254740992,"c":{}}"#, late.as_str()),
    ];
    refused(|text| Entry::decode(text).map(drop), &table);
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
    let text = envelope(&format!(r#","entries":[{},{},{}]"#, press("ada"), bad.join(","), press("bob")));
    let envelope = decode(&text).unwrap();
    let names: Vec<_> = envelope
        .raw_entries()
        .enumerate()
        .map(|(index, raw)| {
            let entry = Entry::decode(raw)?;
            decode_action(entry.payload, || entry.id(&envelope.id, index))
        })
        .map(|action| action.ok().and_then(|action| Some(action.username()?.as_str().to_owned())))
        .collect();
    let mut expected = vec![None; bad.len() + 2];
    expected[0] = Some("ada".to_owned());
    expected[bad.len() + 1] = Some("bob".to_owned());
    assert_eq!(names, expected);
}

#[test]
fn an_entry_sent_again_keeps_its_id() {
    let fresh = Entry::decode(r#"{"at":5,"c":{}}"#).unwrap();
    assert_eq!((fresh.id("e7", 3), wire::entry_id("e7", 3)), ("e7.3".to_owned(), "e7.3".to_owned()));
    let again = Entry::decode(r#"{"id":"e1.\u0034","at":5,"c":{}}"#).unwrap();
    assert_eq!(again.id("e7", 3), "e1.4");
}
