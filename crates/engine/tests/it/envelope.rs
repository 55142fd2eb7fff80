//! The envelope: its text, its bounds, and the decoder errors, which become the reasons of dead letters.

use engine::envelope::{entry_id, with_id};
use engine::{ENVELOPE_BYTES_MAX, Entry, Envelope, EnvelopeBuilder, EnvelopeError};

const INBOX: &str = "6b1f";
const PARTITIONS: u16 = 16;
const TIME: &str = "must be from 0 to 9007199254740991";

fn envelope(fields: &str) -> String {
    format!(r#"{{"v":1,"inbox":"i","partitions":2,"id":"e"{fields}}}"#)
}

/// Each text is refused with a reason that begins with this; serde's message and position follow.
fn refused(read: impl Fn(&str) -> Result<(), EnvelopeError>, table: &[(&str, &str)]) {
    for (text, reason) in table {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(reason), "{text}: {error}");
    }
}

/// SQS rejects a message with such a character, and so every command in it.
#[test]
fn what_is_no_character_is_escaped() {
    let payload = "{\"press\":{\"username\":\"a\u{fffe}b\u{ffff}\u{fffd}\"}}";
    let mut builder = EnvelopeBuilder::new("i", 1, "e", ENVELOPE_BYTES_MAX);
    assert_eq!(builder.push(None, 7, payload.as_bytes()), Some(0));
    assert_eq!(builder.push_text(&format!("{{\"at\":8,\"c\":{payload}}}")), Some(1));
    let text = builder.finish();
    let escaped = "{\"press\":{\"username\":\"a\\ufffeb\\uffff\u{fffd}\"}}";
    let entries = format!("[{{\"at\":7,\"c\":{escaped}}},{{\"at\":8,\"c\":{escaped}}}]");
    assert_eq!(text, format!(r#"{{"v":1,"inbox":"i","partitions":1,"id":"e","entries":{entries}}}"#));
    let sent: serde_json::Value = serde_json::from_str(payload).unwrap();
    for entry in Envelope::decode(&text).unwrap().entries() {
        let read: serde_json::Value = serde_json::from_str(entry.unwrap().payload).unwrap();
        assert_eq!(read, sent, "it means the same");
    }
}

#[test]
fn the_text_is_what_the_documentation_shows() {
    let mut builder = EnvelopeBuilder::new("i\"1", 16, "5f-2a", ENVELOPE_BYTES_MAX);
    assert_eq!(builder.push(None, 7, br#"{"press":{"username":"ada"}}"#), Some(0));
    assert_eq!(builder.push(Some("5f-1.3\""), 8, br#"{"tick":{"through_ms":9}}"#), Some(1));
    let expected = concat!(
        r#"{"v":1,"inbox":"i\"1","partitions":16,"id":"5f-2a","entries":["#,
        r#"{"at":7,"c":{"press":{"username":"ada"}}},"#,
        r#"{"id":"5f-1.3\"","at":8,"c":{"tick":{"through_ms":9}}}]}"#
    );
    assert_eq!(builder.finish(), expected);
}

#[test]
fn an_envelope_may_be_exactly_full() {
    let push = |builder: &mut EnvelopeBuilder| builder.push(None, 7, b"{}");
    let mut two = EnvelopeBuilder::new(INBOX, PARTITIONS, "e", ENVELOPE_BYTES_MAX);
    assert_eq!((push(&mut two), push(&mut two)), (Some(0), Some(1)));
    for (bytes_max, second) in [(two.bytes(), Some(1)), (two.bytes() - 1, None), (0, None)] {
        let mut builder = EnvelopeBuilder::new(INBOX, PARTITIONS, "e", bytes_max);
        assert_eq!(push(&mut builder), Some(0));
        assert_eq!(push(&mut builder), second, "{bytes_max}");
        assert_eq!(
            Envelope::decode(&builder.finish()).unwrap().raw_entries().len(),
            1 + usize::from(second.is_some())
        );
    }
}

#[test]
fn an_envelope_without_entries_can_be_read() {
    let builder = EnvelopeBuilder::new(INBOX, PARTITIONS, "e", 0);
    assert_eq!(builder.entries(), 0);
    assert_eq!(Envelope::decode(&builder.finish()).unwrap().raw_entries().len(), 0);
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
    refused(|text| Envelope::decode(text).map(drop), &table);
}

#[test]
fn an_unknown_version_is_the_reason_whatever_else_is_new() {
    for text in [
        r#"{"v":2}"#,
        r#"{"v":2,"inbox":"i","partitions":2,"id":"e","entries":[]}"#,
        r#"{"inbox":["i"],"shards":2,"v":2,"entries":{}}"#,
    ] {
        let error = Envelope::decode(text).unwrap_err();
        assert!(matches!(error, EnvelopeError::Version { found: 2 }), "{text}: {error}");
        assert_eq!(error.to_string(), "envelope version 2 is unknown, this program reads version 1");
    }
    assert!(matches!(Envelope::decode(r#"{"v":0}"#).unwrap_err(), EnvelopeError::Version { found: 0 }));
}

#[test]
fn only_1_mib_is_read() {
    let mut text = envelope(r#","entries":[]"#);
    text.push_str(&" ".repeat(1_048_576 - text.len()));
    assert_eq!(Envelope::decode(&text).unwrap().partitions, 2);
    text.push(' ');
    let error = Envelope::decode(&text).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLong { found: 1_048_577 }), "{error}");
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
    refused(|text| Entry::read("e", 0, text).map(drop), &table);
}

#[test]
fn an_entry_sent_again_keeps_its_id() {
    let fresh = r#"{"at":5,"c":{}}"#;
    let id = Entry::read("e7", 3, fresh).unwrap().id();
    assert_eq!((id.as_str(), entry_id("e7", 3).as_str()), ("e7.3", "e7.3"));
    let again = r#"{"id":"e1.\u0034","at":5,"c":{}}"#;
    assert_eq!(Entry::read("e7", 3, again).unwrap().id(), "e1.4");
    assert_eq!(with_id(fresh, "e7.3"), r#"{"id":"e7.3","at":5,"c":{}}"#);
    assert_eq!(with_id(again, "e7.3"), again);
}
