//! Runs every parser of external text on arbitrary bytes: no panic, each rejection has a reason, and accepted values
//! survive a round trip.
//!
//! The fuzz target of `fuzz/` includes this file, so it names nothing but `engine`, `game`, `wire` and `serde_json`.

use std::fmt::Write as _;

use engine::{ENVELOPE_BYTES_MAX, Entry, Envelope, EnvelopeBuilder};
use game::{Action, Add};
use serde_json::json;
use wire::{
    FieldError, decode_action, encode_action, lead_ms, limit, parse_add, parse_powerup, parse_press, username,
};

/// Maximum size of a reason that a phone gets: input is not echoed.
const REASON_BYTES_MAX: usize = 200;

/// Runs every parser on these bytes.
pub(crate) fn drive(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    bodies(data);
    query(&text);
    envelope(&text);
    entry(&text);
    action(&text, "e.0");
}

fn bodies(data: &[u8]) {
    if let Some(add) = accepted(parse_add(data)) {
        let Add { username, name, platform, token } = &add;
        let again = json!({
            "username": username.as_str(),
            "name": name.as_ref().map(game::DisplayName::as_str),
            "platform": platform.map(game::Platform::code),
            "token": token.as_ref().map(game::Token::as_str),
        });
        assert_eq!(parse_add(again.to_string().as_bytes()), Ok(add));
    }
    if let Some(username) = accepted(parse_press(data)) {
        let again = json!({ "RequestBody": { "username": username.as_str() } });
        assert_eq!(parse_press(again.to_string().as_bytes()), Ok(username));
    }
    if let Some((username, powerup)) = accepted(parse_powerup(data)) {
        let again = json!({
            "username": username.as_str(),
            "powerUpType": powerup.kind.code(),
            "quantity": powerup.quantity(),
        });
        assert_eq!(parse_powerup(again.to_string().as_bytes()), Ok((username, powerup)));
    }
    if let Some(lead) = accepted(lead_ms(data)) {
        assert_eq!(lead_ms(json!({ "lead_ms": lead }).to_string().as_bytes()), Ok(lead));
    }
}

fn query(text: &str) {
    if let Some(name) = accepted(username(Some(text)).map_err(|error| vec![error])) {
        let mut again = "username=".to_owned();
        for byte in name.as_str().bytes() {
            write!(again, "%{byte:02x}").expect("writing to memory");
        }
        assert_eq!(username(Some(&again)), Ok(name));
    }
    if let Some(rows) = accepted(limit(Some(text)).map_err(|error| vec![error])) {
        assert_eq!(limit(Some(&format!("limit={rows}"))), Ok(rows));
    }
}

/// The parsed value; `None` if it was rejected with a useful reason.
fn accepted<T>(result: Result<T, Vec<FieldError>>) -> Option<T> {
    let errors = match result {
        Ok(value) => return Some(value),
        Err(errors) => errors,
    };
    assert!(!errors.is_empty(), "refused without a reason");
    for FieldError { field, reason } in errors {
        assert!(!field.is_empty() && !reason.is_empty(), "{field}: {reason}");
        assert!(reason.len() <= REASON_BYTES_MAX, "{field}: {reason}");
        for poor in ["invalid type", "invalid value", "expected struct", "duplicate field", "f64", "i64"] {
            assert!(!reason.contains(poor), "{field}: {reason}");
        }
    }
    None
}

fn envelope(text: &str) {
    let read = match Envelope::decode(text) {
        Ok(read) => read,
        Err(error) => return explained(&error),
    };
    let entries: Vec<_> = read
        .raw_entries()
        .enumerate()
        .filter_map(|(index, raw)| {
            entry(raw);
            let entry = Entry::read(&read.id, index, raw).ok()?;
            let id = entry.id();
            action(entry.payload, &id);
            Some((id, entry.arrived_at_ms, entry.payload))
        })
        .collect();
    let mut rest = entries.as_slice();
    loop {
        let mut builder = EnvelopeBuilder::new(&read.inbox, read.partitions, &read.id, ENVELOPE_BYTES_MAX);
        let taken = rest
            .iter()
            .take_while(|(id, at_ms, payload)| builder.push(Some(id), *at_ms, payload.as_bytes()).is_some())
            .count();
        let again = builder.finish();
        let again = Envelope::decode(&again).expect("what was read can be written and read again");
        assert_eq!((&again.inbox, again.partitions, &again.id), (&read.inbox, read.partitions, &read.id));
        assert_eq!(again.raw_entries().len(), taken);
        for (raw, (id, at_ms, payload)) in again.raw_entries().zip(rest) {
            let entry = Entry::read("", 0, raw).expect("an entry that was read before");
            // Characters that SQS rejects are written as escapes.
            let payload = payload.replace('\u{fffe}', r"\ufffe").replace('\u{ffff}', r"\uffff");
            assert_eq!((&entry.id(), entry.arrived_at_ms, entry.payload), (id, *at_ms, payload.as_str()));
        }
        rest = &rest[taken..];
        if rest.is_empty() {
            return;
        }
        assert!(taken > 0, "the first entry always fits");
    }
}

fn entry(text: &str) {
    match Entry::read("e", 0, text) {
        Ok(entry) => action(entry.payload, &entry.id()),
        Err(error) => explained(&error),
    }
}

fn action(payload: &str, entry_id: &str) {
    let read: Action = match decode_action(payload, || entry_id.to_owned()) {
        Ok(read) => read,
        Err(error) => return explained(&error),
    };
    let mut again = Vec::new();
    encode_action(&read, &mut again).expect("every action can be written");
    let again = String::from_utf8(again).expect("JSON is UTF-8");
    assert_eq!(decode_action(&again, || unreachable!("a purchase has its id")).ok(), Some(read));
}

fn explained(error: &impl std::error::Error) {
    assert!(!error.to_string().is_empty());
}
