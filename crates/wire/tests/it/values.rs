//! Arbitrary valid values, including unusual Unicode.

use game::bounds::{
    NAME_CHARS_MAX, PURCHASE_ID_BYTES_MAX, ROUND_ID_MAX, TIME_MS_MAX, TOKEN_BYTES_MAX, USERNAME_BYTES_MAX,
    WINDOW_MS_MAX,
};
use game::{
    Action, Add, DisplayName, Level, Platform, Powerup, PowerupKind, PurchaseId, Round, Token, Username,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Characters that JSON escapes, that parsers mishandle, and arbitrary ones.
fn character() -> impl Strategy<Value = char> {
    let odd = vec!['"', '\\', '/', '\u{2028}', '\u{feff}', '\u{fffd}', '\u{10ffff}', '\u{202e}', '😀', 'é'];
    prop_oneof![
        select(odd),
        proptest::char::range(' ', '~'),
        any::<char>().prop_filter("control characters are refused", |char| !char.is_control()),
    ]
}

/// A text of 1 to `bytes_max` bytes, mostly short.
fn text(chars_max: usize, bytes_max: usize) -> impl Strategy<Value = String> {
    let chars = prop_oneof![4 => 1..=chars_max.min(12), 1 => 1..=chars_max];
    chars.prop_flat_map(|chars| proptest::collection::vec(character(), chars)).prop_map(move |chars| {
        let mut text = String::from_iter(chars);
        text.truncate(text.floor_char_boundary(bytes_max));
        text
    })
}

pub(crate) fn username() -> impl Strategy<Value = Username> {
    text(USERNAME_BYTES_MAX, USERNAME_BYTES_MAX).prop_map(|text| Username::new(&text).expect("valid"))
}

fn add() -> impl Strategy<Value = Add> {
    let name = text(NAME_CHARS_MAX, usize::MAX).prop_map(|text| DisplayName::new(&text).expect("valid"));
    let token = text(TOKEN_BYTES_MAX, TOKEN_BYTES_MAX).prop_map(|text| Token::new(&text).expect("valid"));
    let platform = select(Platform::ALL.to_vec());
    (username(), option::of(name), option::of(platform), option::of(token))
        .prop_map(|(username, name, platform, token)| Add { username, name, platform, token })
}

fn powerup() -> impl Strategy<Value = Powerup> {
    (select(PowerupKind::ALL.to_vec()), select(Level::ALL.to_vec()))
        .prop_map(|(kind, level)| Powerup { kind, level })
}

fn purchase_id() -> impl Strategy<Value = PurchaseId> {
    proptest::collection::vec(proptest::char::range('!', '~'), 1..=PURCHASE_ID_BYTES_MAX)
        .prop_map(|chars| PurchaseId::new(&String::from_iter(chars)).expect("valid"))
}

pub(crate) fn time_ms() -> impl Strategy<Value = i64> {
    prop_oneof![0..=TIME_MS_MAX, Just(0), Just(TIME_MS_MAX)]
}

fn round() -> impl Strategy<Value = Round> {
    let id = prop_oneof![1..=ROUND_ID_MAX, Just(1), Just(ROUND_ID_MAX)];
    (id, time_ms(), 1..=WINDOW_MS_MAX, 0..=WINDOW_MS_MAX)
        .prop_map(|(id, opens, window, grace)| Round::new(id, opens, window, grace).expect("valid"))
}

/// Any action, and whether the phone gave the purchase's id.
pub(crate) fn action() -> impl Strategy<Value = (Action, bool)> {
    let action = prop_oneof![
        add().prop_map(Action::Add),
        username().prop_map(|username| Action::Press { username }),
        (username(), purchase_id(), powerup()).prop_map(|(username, id, powerup)| Action::Buy {
            username,
            id,
            powerup
        }),
        round().prop_map(Action::Announce),
        time_ms().prop_map(|through_ms| Action::Tick { through_ms }),
    ];
    (action, any::<bool>())
}

/// The id of a redriven command; mostly in this program's own form.
pub(crate) fn redriven_id() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9a-f]{16}-[0-9a-f]{1,4}\\.[0-9]{1,3}", text(64, 128)]
}
