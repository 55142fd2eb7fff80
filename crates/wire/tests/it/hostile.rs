//! Runs the function of the fuzz target on stable Rust, with arbitrary bytes, arbitrary text, and mutations of the fuzz
//! target's seeds.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::drive::drive;

const SEEDS: [&str; 6] = [
    include_str!("../../fuzz/seeds/add.json"),
    include_str!("../../fuzz/seeds/envelope.json"),
    include_str!("../../fuzz/seeds/powerup.json"),
    include_str!("../../fuzz/seeds/press.json"),
    include_str!("../../fuzz/seeds/query.txt"),
    include_str!("../../fuzz/seeds/round.json"),
];

/// Tokens that turn one valid text into another, or nearly.
const TOKENS: [&[u8]; 18] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"true",
    b"-",
    b"1e999",
    b"18446744073709551616",
    b"\\ud800",
    b"\\",
    b"\xff",
    b"\"RequestBody\":",
    b"&username=",
    b"%C3",
];

#[derive(Debug, Clone, Copy)]
enum Mutation {
    Flip(Index, u8),
    Truncate(Index),
    /// Inserts the slice between two positions at a third.
    Repeat(Index, Index, Index),
    Remove(Index, Index),
    Insert(Index, &'static [u8]),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => at().prop_map(Mutation::Truncate),
        2 => (at(), at(), at()).prop_map(|(from, to, at)| Mutation::Repeat(from, to, at)),
        2 => (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        4 => (at(), select(TOKENS.to_vec())).prop_map(|(at, token)| Mutation::Insert(at, token)),
    ]
}

fn apply(data: &mut Vec<u8>, mutation: Mutation) {
    let places = data.len() + 1;
    let slice = |from: Index, to: Index| {
        let (from, to) = (from.index(places), to.index(places));
        from.min(to)..from.max(to)
    };
    match mutation {
        Mutation::Flip(..) if data.is_empty() => {}
        Mutation::Flip(at, bit) => {
            let at = at.index(data.len());
            data[at] ^= 1 << bit;
        }
        Mutation::Truncate(at) => data.truncate(at.index(places)),
        Mutation::Repeat(from, to, at) => {
            let copy = data[slice(from, to)].to_vec();
            let at = at.index(places);
            data.splice(at..at, copy);
        }
        Mutation::Remove(from, to) => drop(data.drain(slice(from, to))),
        Mutation::Insert(at, token) => {
            let at = at.index(places);
            data.splice(at..at, token.iter().copied());
        }
    }
}

#[test]
fn the_seeds_are_what_they_say() {
    for seed in SEEDS {
        drive(seed.as_bytes());
    }
    let [add, envelope, powerup, press, query, round] = SEEDS;
    assert!(wire::parse_add(add.as_bytes()).is_ok());
    assert!(wire::parse_powerup(powerup.as_bytes()).is_ok());
    assert!(wire::parse_press(press.as_bytes()).is_ok());
    assert!(wire::lead_ms(round.as_bytes()).is_ok_and(|lead| lead.is_some()));
    assert!(wire::username(Some(query)).is_ok() && wire::limit(Some(query)).is_ok());
    let envelope = engine::Envelope::decode(envelope).unwrap();
    assert_eq!(envelope.entries().len(), 5);
    for entry in envelope.entries() {
        let payload = entry.unwrap().payload;
        assert!(wire::decode_action(payload, || "e.0".to_owned()).is_ok(), "{payload}");
    }
}

#[test]
fn deep_nesting_overflows_no_stack() {
    for (open, close) in [("[", "]"), ("{\"c\":", "}"), ("{\"RequestBody\":", "}"), ("{\"press\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        drive(deep.as_bytes());
        drive(open.repeat(10_000).as_bytes());
        drive(format!(r#"{{"at":1,"c":{deep}}}"#).as_bytes());
        drive(format!(r#"{{"press":{{"username":{deep}}}}}"#).as_bytes());
        drive(format!(r#"{{"v":1,"inbox":"i","partitions":1,"id":"e","entries":[{deep}]}}"#).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
        drive(&data);
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        drive(text.as_bytes());
    }

    #[test]
    fn mutated_seeds_never_panic(
        seed in select(SEEDS.to_vec()),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut data = seed.as_bytes().to_vec();
        for mutation in mutations {
            apply(&mut data, mutation);
        }
        drive(&data);
    }
}
