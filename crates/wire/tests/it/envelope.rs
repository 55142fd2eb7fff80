//! The envelope: every action survives a round trip, and no envelope is larger than allowed.

use engine::envelope::entry_id;
use engine::{ENVELOPE_BYTES_MAX, Entry, Envelope, EnvelopeBuilder};
use game::{Action, PurchaseId};
use proptest::prelude::*;
use wire::{decode_action, encode_action, encode_purchase};

use crate::values::{action, redriven_id, time_ms};

const INBOX: &str = "6b1f";
const PARTITIONS: u16 = 16;

fn payload(action: &Action, purchase_id_given: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match action {
        Action::Buy { username, powerup, .. } if !purchase_id_given => {
            encode_purchase(username, None, *powerup, &mut out)
        }
        action => encode_action(action, &mut out),
    }
    .expect("every action can be written");
    out
}

/// The action as decoded: if the phone gave no purchase id, it has the entry's id.
fn named_by(action: Action, id: &str) -> Action {
    match action {
        Action::Buy { username, powerup, .. } => {
            Action::Buy { username, id: PurchaseId::new(id).expect("visible ASCII"), powerup }
        }
        other => other,
    }
}

/// Packs entries like ingest, into as many envelopes as needed. Returns the text and the number of entries of each.
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
        // A rejected entry leaves the builder unchanged.
        assert_eq!((builder.entries(), builder.bytes()), before);
        done.push(close(std::mem::replace(&mut builder, new(done.len() + 1))));
        assert_eq!(builder.push(id.as_deref(), *at_ms, payload), Some(0), "the first entry always fits");
    }
    done.push(close(builder));
    done
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
            let envelope = Envelope::decode(&text).unwrap();
            prop_assert_eq!(envelope.inbox.as_ref(), INBOX);
            prop_assert_eq!(envelope.partitions, PARTITIONS);
            prop_assert_eq!(envelope.id.as_ref(), format!("e{number}"));
            prop_assert_eq!(envelope.raw_entries().len(), entries);
            for (index, raw) in envelope.raw_entries().enumerate() {
                let ((action, given), redriven, at_ms) = sent.next().unwrap();
                let entry = Entry::read(&envelope.id, index, raw).unwrap();
                prop_assert_eq!(entry.arrived_at_ms, at_ms);
                let id = entry.id();
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
