//! Rules, "Players and devices": identifiers and texts from outside, and the partition of a player.

use game::{DisplayName, Invalid, Platform, PurchaseId, Reason, Token, Username, partition_of};

/// The error of a constructor for this text; `None` if it accepts the text.
fn refusal<T>(made: Result<T, Invalid>) -> Option<(&'static str, Reason)> {
    made.err().map(|invalid| (invalid.field, invalid.reason))
}

const CONTROLS: [&str; 6] = ["\0", "\n", "a\tb", "\u{1f}", "\u{7f}", "a\u{85}"];

#[test]
fn usernames_have_1_to_128_bytes_and_no_control_characters() {
    let username = |text: &str| refusal(Username::new(text));
    for text in ["a", " ", "é", "a|b: c", "\u{a0}", "👍🏽", &"a".repeat(128), &"é".repeat(64), &"👍".repeat(32)]
    {
        assert_eq!(username(text), None, "{text}");
        assert_eq!(Username::new(text).unwrap().as_str(), text);
    }
    let too_long = |found| Some(("username", Reason::TooManyBytes { found, max: 128 }));
    assert_eq!(username(""), Some(("username", Reason::Empty)));
    assert_eq!(username(&"a".repeat(129)), too_long(129));
    assert_eq!(username(&format!("{}a", "é".repeat(64))), too_long(129));
    assert_eq!(username(&"👍".repeat(33)), too_long(132));
    for text in CONTROLS {
        assert_eq!(username(text), Some(("username", Reason::ControlCharacter)), "{text:?}");
    }
}

#[test]
fn names_have_up_to_64_characters_however_many_bytes() {
    let name = |text: &str| refusal(DisplayName::new(text));
    for text in ["a", &"a".repeat(64), &"é".repeat(64), &"👍".repeat(64)] {
        assert_eq!(name(text), None, "{text}");
    }
    let too_long = Some(("name", Reason::TooManyChars { found: 65, max: 64 }));
    assert_eq!(name(&"a".repeat(65)), too_long);
    assert_eq!(name(&"👍".repeat(65)), too_long);
    assert_eq!(name("a\nb"), Some(("name", Reason::ControlCharacter)));
}

#[test]
fn tokens_have_up_to_4096_bytes() {
    let token = |text: &str| refusal(Token::new(text));
    assert_eq!(token("a"), None);
    assert_eq!(token(&"a".repeat(4096)), None);
    assert_eq!(token(&"a".repeat(4097)), Some(("token", Reason::TooManyBytes { found: 4097, max: 4096 })));
    assert_eq!(token(&"é".repeat(2049)), Some(("token", Reason::TooManyBytes { found: 4098, max: 4096 })));
}

#[test]
fn purchase_ids_are_1_to_128_visible_ascii_characters() {
    let id = |text: &str| refusal(PurchaseId::new(text));
    for text in ["a", "!", "~", "0f-\"|\\", &"x".repeat(128)] {
        assert_eq!(id(text), None, "{text}");
    }
    let field = "Idempotency-Key";
    assert_eq!(id(""), Some((field, Reason::Empty)));
    assert_eq!(id(&"x".repeat(129)), Some((field, Reason::TooManyBytes { found: 129, max: 128 })));
    for text in ["a b", " ", "é", "\u{7f}", "a\n", "\t"] {
        assert_eq!(id(text), Some((field, Reason::NotVisibleAscii)), "{text:?}");
    }
}

#[test]
fn platforms_have_names() {
    for (platform, code) in [(Platform::Android, "android"), (Platform::Ios, "ios"), (Platform::Web, "web")] {
        assert_eq!((platform.code(), Platform::from_code(code)), (code, Ok(platform)));
    }
    for code in ["", "Android", "windows"] {
        assert_eq!(Platform::from_code(code).unwrap_err().field, "platform");
    }
}

#[test]
fn refusals_say_which_field_and_why() {
    let text = Username::new("").unwrap_err().to_string();
    assert_eq!(text, "username: must not be empty");
    let text = DisplayName::new(&"a".repeat(65)).unwrap_err().to_string();
    assert_eq!(text, "name: has 65 characters, at most 64 are allowed");
}

#[test]
fn the_partition_of_a_username_never_changes() {
    // Published FNV-1a 64 values of "", "a" and "foobar", folded to 32 bits by hand.
    for (text, folded) in [
        ("", 0xcbf2_9ce4_u32 ^ 0x8422_2325),
        ("a", 0xaf63_dc4c ^ 0x8601_ec8c),
        ("foobar", 0x8594_4171 ^ 0xf739_67e8),
    ] {
        for partitions in [1, 2, 16, 1000, 1024, u16::MAX] {
            let expected = folded % u32::from(partitions);
            assert_eq!(u32::from(partition_of(text, partitions)), expected, "{text} of {partitions}");
        }
    }
}

#[test]
fn partitions_share_the_players_evenly() {
    let mut players = [0_u32; 16];
    for number in 0..16_000 {
        players[usize::from(partition_of(&format!("player-{number}"), 16))] += 1;
    }
    // 1000 each are expected; the standard deviation of a uniform draw is 31.
    assert!(players.iter().all(|count| (850..=1150).contains(count)), "{players:?}");
}
