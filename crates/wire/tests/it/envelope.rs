//! The envelope: every action survives the way through it, and no envelope is larger than allowed.

use game::{Action, PurchaseId};
use proptest::prelude::*;
use wire::{ENVELOPE_BYTES_MAX, Entry, EnvelopeBuilder, decode, decode_action, encode_action, entry_id};

use crate::values::{action, redriven_id, time_ms};

const INBOX: &str = "6b1f";
const PARTITIONS: u16 = 16;

fn payload(action: &Action, purchase_id_given: bool) -> Vec<u8> {
    let mut out = Vec::new();
    encode_action(action, purchase_id_given, &mut out).expect("every action can be written");
    out
}

/// The action as it is read back when the phone named no purchase: then the entry's id does.
fn named_by(action: Action, id: &str) -> Action {
    match action {
        Action::Buy { username, powerup, .. } => {
            Action::Buy { username, id: PurchaseId::new(id).expect("visible ASCII"), powerup }
        }
        other => other,
    }
}

/// Packs like ingest does: into as many envelopes as it takes. Gives each one's text and number of entries.
fn pack(entries: &[(Option<String>, i64, Vec<u8>)], bytes_max: usize) -> Vec<(String, usize)> {
    let new = |number: usize| EnvelopeBuilder::new(INBOX, PARTITIONS, &format!("e{number}"), bytes_max);
    let mut done = Vec::new();
    let mut builder = new(0);
    let close = |builder: EnvelopeBuilder| {
        let (bytes, entries) = (builder.bytes(), builder.entries());
        let text = builder.finish();
        assert_eq!(text.len(), bytes);
        assert!(bytes <= bytes_max || entries == 1, "{entries} entries in {bytes} bytes");
        (text, entries)
    };
    for (id, at_ms, payload) in entries {
        let before = (builder.entries(), builder.bytes());
        if let Some(index) = builder.push(id.as_deref(), *at_ms, payload) {
            assert_eq!((index, builder.entries()), (before.0, before.0 + 1));
            continue;
        }
        // What does not fit leaves no trace.
        assert_eq!((builder.entries(), builder.bytes()), before);
        done.push(close(std::mem::replace(&mut builder, new(done.len() + 1))));
        assert_eq!(builder.push(id.as_deref(), *at_ms, payload), Some(0), "the first entry always fits");
    }
    done.push(close(builder));
    done
}

/// SQS refuses a message with them, and everybody's commands that are in it.
#[test]
fn what_is_no_character_is_escaped() {
    let username = game::Username::new("a\u{fffe}b\u{ffff}\u{fffd}").expect("it is a name");
    let action = Action::Press { username };
    let mut out = b"before \xEF\xBF\xBF".to_vec();
    encode_action(&action, false, &mut out).expect("every action can be written");
    let (before, written) = out.split_at(10);
    assert_eq!(before, b"before \xEF\xBF\xBF", "what stood there stays");
    let written = std::str::from_utf8(written).expect("JSON is UTF-8");
    assert_eq!(written, "{\"press\":{\"username\":\"a\\ufffeb\\uffff\u{fffd}\"}}");
    assert_eq!(decode_action(written, String::new).expect("it can be read"), action);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_action_survives_the_way_through_an_envelope(
        sent in prop::collection::vec((action(), prop::option::of(redriven_id()), time_ms()), 1..20),
        bytes_max in 32_usize..20_000,
    ) {
        let entries: Vec<_> = sent
            .iter()
            .map(|((action, given), id, at_ms)| (id.clone(), *at_ms, payload(action, *given)))
            .collect();
        let mut sent = sent.into_iter();
        for (number, (text, entries)) in pack(&entries, bytes_max).into_iter().enumerate() {
            let envelope = decode(&text).unwrap();
            prop_assert_eq!(envelope.inbox.as_ref(), INBOX);
            prop_assert_eq!(envelope.partitions, PARTITIONS);
            prop_assert_eq!(envelope.id.as_ref(), format!("e{number}"));
            prop_assert_eq!(envelope.raw_entries().len(), entries);
            for (index, raw) in envelope.raw_entries().enumerate() {
                let ((action, given), redriven, at_ms) = sent.next().unwrap();
                let entry = Entry::decode(raw).unwrap();
                prop_assert_eq!(entry.arrived_at_ms, at_ms);
                let id = entry.id(&envelope.id, index);
                prop_assert_eq!(&id, &redriven.unwrap_or_else(|| entry_id(&envelope.id, index)));
                let unnamed = matches!(action, Action::Buy { .. }) && !given;
                if unnamed && PurchaseId::new(&id).is_err() {
                    prop_assert!(decode_action(entry.payload, || id).is_err());
                    continue;
                }
                let expected = if unnamed { named_by(action, &id) } else { action };
                prop_assert_eq!(decode_action(entry.payload, || id).unwrap(), expected);
            }
        }
        prop_assert!(sent.next().is_none());
    }

    #[test]
    fn what_was_written_once_is_written_the_same_again((action, _) in action()) {
        let first = payload(&action, true);
        let text = std::str::from_utf8(&first).unwrap();
        let read = decode_action(text, || unreachable!("the purchase has an id")).unwrap();
        prop_assert_eq!(payload(&read, true), first);
    }
}

#[test]
fn the_text_is_what_the_documentation_shows() {
    let mut builder = EnvelopeBuilder::new("i\"1", 16, "5f-2a", ENVELOPE_BYTES_MAX);
    let press = payload(&Action::Press { username: game::Username::new("ada").unwrap() }, false);
    assert_eq!(builder.push(None, 7, &press), Some(0));
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
        assert_eq!(decode(&builder.finish()).unwrap().raw_entries().len(), 1 + usize::from(second.is_some()));
    }
}

#[test]
fn an_envelope_without_entries_can_be_read() {
    let builder = EnvelopeBuilder::new(INBOX, PARTITIONS, "e", 0);
    assert_eq!(builder.entries(), 0);
    assert_eq!(decode(&builder.finish()).unwrap().raw_entries().len(), 0);
}

#[test]
fn the_longest_add_fits_an_envelope_of_64_kib() {
    let add = Action::Add(game::Add {
        username: game::Username::new(&"\"".repeat(128)).unwrap(),
        name: Some(game::DisplayName::new(&"😀".repeat(64)).unwrap()),
        platform: Some(game::Platform::Android),
        token: Some(game::Token::new(&"\\".repeat(4096)).unwrap()),
    });
    let mut builder = EnvelopeBuilder::new(INBOX, PARTITIONS, "e", ENVELOPE_BYTES_MAX);
    assert_eq!(builder.push(Some(&"\"".repeat(128)), i64::MAX, &payload(&add, true)), Some(0));
    assert!(builder.bytes() < ENVELOPE_BYTES_MAX / 4, "{}", builder.bytes());
}
