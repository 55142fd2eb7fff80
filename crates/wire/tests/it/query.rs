//! Query strings: percent-decoding, each parameter once. Numbers in text.

use wire::{digits, limit, username};

const ONCE: &str = "must be given exactly once";
const LIMIT: &str = "must be a whole number from 1 to 100";

#[test]
fn a_username_is_decoded() {
    let longest = "%C3%A9".repeat(64);
    let longest_query = format!("username={longest}");
    let longest_name = "é".repeat(64);
    let table = [
        ("username=ada", "ada"),
        ("%75sername=ada", "ada"),
        ("x=1&username=ada&y", "ada"),
        ("&&username=ada&", "ada"),
        ("Username=bob&username=ada", "ada"),
        ("x=1&x=2&username=ada", "ada"),
        ("%ff=1&username=ada", "ada"),
        ("username=a+b", "a+b"),
        ("username=a%20b", "a b"),
        ("username=a=b", "a=b"),
        ("username=%26%3D%25", "&=%"),
        ("username=%F0%9F%98%80", "😀"),
        ("username=😀", "😀"),
        ("username=%2575", "%75"),
        (longest_query.as_str(), longest_name.as_str()),
    ];
    for (query, expected) in table {
        assert_eq!(username(Some(query)).unwrap().as_str(), expected, "{query}");
    }
}

#[test]
fn a_wrong_username_says_why() {
    let long = format!("username={}", "%61".repeat(129));
    let table = [
        (None, "is required"),
        (Some(""), "is required"),
        (Some("user=ada"), "is required"),
        (Some("username=ada&username=ada"), ONCE),
        (Some("username=ada&username=bob"), ONCE),
        (Some("username=ada&user%6eame=bob"), ONCE),
        (Some("username&username=ada"), ONCE),
        (Some("username"), "must not be empty"),
        (Some("username="), "must not be empty"),
        (Some("username=%ff"), "must be UTF-8"),
        (Some("username=%C3"), "must be UTF-8"),
        (Some("username=%ED%A0%80"), "must be UTF-8"),
        (Some("username=a%00"), "must not contain control characters"),
        (Some("username=%0d%0a"), "must not contain control characters"),
        (Some(long.as_str()), "has 129 bytes of UTF-8, at most 128 are allowed"),
    ];
    for (query, reason) in table {
        let error = username(query).unwrap_err();
        assert_eq!((error.field.as_str(), error.reason.as_str()), ("username", reason), "{query:?}");
    }
}

#[test]
fn a_limit_is_from_1_to_100_or_10() {
    for (query, rows) in [
        (None, 10),
        (Some(""), 10),
        (Some("x=5"), 10),
        (Some("limit=1"), 1),
        (Some("limit=100"), 100),
        (Some("l%69mit=%32%35"), 25),
        (Some("limit=007"), 7),
    ] {
        assert_eq!(limit(query), Ok(rows), "{query:?}");
    }
    for (query, reason) in [
        ("limit=0", LIMIT),
        ("limit=101", LIMIT),
        ("limit=-1", LIMIT),
        ("limit=", LIMIT),
        ("limit", LIMIT),
        ("limit=1.5", LIMIT),
        ("limit=1e1", LIMIT),
        ("limit=NaN", LIMIT),
        ("limit=null", LIMIT),
        ("limit= 5", LIMIT),
        ("limit=+5", LIMIT),
        ("limit=%2B5", LIMIT),
        ("limit=5.0", LIMIT),
        ("limit=%D9%A5", LIMIT), // an Arabic five
        ("limit=99999999999999999999999999", LIMIT),
        ("limit=%ff", "must be UTF-8"),
        ("limit=5&limit=5", ONCE),
        ("limit=5&%6cimit=6", ONCE),
    ] {
        let error = limit(Some(query)).unwrap_err();
        assert_eq!((error.field.as_str(), error.reason.as_str()), ("limit", reason), "{query}");
    }
}

#[test]
fn digits_are_all_that_a_number_in_a_text_consists_of() {
    for (text, number) in [("0", 0), ("7", 7), ("007", 7), ("65535", 65_535)] {
        assert_eq!(digits::<u16>(text), Some(number), "{text}");
    }
    for text in ["", "+7", "-7", "-0", " 7", "7 ", "7_000", "0x7", "7.0", "7e0", "\u{667}", "65536"] {
        assert_eq!(digits::<u16>(text), None, "{text}");
        assert_eq!(digits::<i64>(text), (text == "65536").then_some(65_536), "{text}");
    }
}
