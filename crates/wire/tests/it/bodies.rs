//! Request bodies: what is accepted, and which field is rejected for which reason.

use game::{Action, Add, DisplayName, Level, Platform, Powerup, PowerupKind, Token, Username};
use wire::{FieldError, encode_action, lead_ms, parse_add, parse_powerup, parse_press};

type Wrong<'a> = &'a [(&'a str, &'a str)];

const POWERUPS: &str = "must be one of FREEZE, MULTIPLIER, EXTENDER";

fn wrong<T: std::fmt::Debug>(body: &[u8], result: Result<T, Vec<FieldError>>, expected: Wrong<'_>) {
    let errors = result.expect_err(&String::from_utf8_lossy(body));
    let errors: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.reason.as_str())).collect();
    assert_eq!(errors, expected, "{}", String::from_utf8_lossy(body));
}

/// Both shapes of a body: that of new clients, and that of the first client.
fn both(inner: &str) -> [String; 2] {
    [inner.to_owned(), format!(r#"{{"RequestBody":{inner}}}"#)]
}

fn user(name: &str) -> Username {
    Username::new(name).expect("a valid username")
}

#[test]
fn a_press_is_read_in_both_shapes() {
    let longest = "é".repeat(64);
    let longest_body = format!(r#"{{"username":"{longest}"}}"#);
    let deep = format!(r#"{{"deep":{}{},"username":"ada"}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let table = [
        (r#"{"username":"ada"}"#, "ada"),
        (" \r\n\t{ \"username\" : \"ada\" } \n", "ada"),
        (r#"{"username":"ada","streak":7}"#, "ada"),
        (r#"{"streak":"many","username":"ada","x":{"username":5}}"#, "ada"),
        (r#"{"streak":1,"streak":null,"username":"ada"}"#, "ada"),
        (r#"{"huge":1e999,"half":"\ud800","username":"ada"}"#, "ada"),
        (r#"{"\ud800":1,"\udead\ud83d":{"\ud800":["\ud800"]},"username":"ada"}"#, "ada"),
        (r#"{"\ud800":1,"\ud800":2,"\"":3,"username\ud800":4,"username":"ada"}"#, "ada"),
        (r#"{"username":"\u0061d\u0061"}"#, "ada"),
        (r#"{"user\u006eame":"ada"}"#, "ada"),
        (r#"{"username":"\ud83d\ude00 \"\\\/"}"#, "😀 \"\\/"),
        (r#"{"username":"ада\u202e"}"#, "ада\u{202e}"),
        (r#"{"username":"\ufffe\uFEFF"}"#, "\u{fffe}\u{feff}"),
        (longest_body.as_str(), longest.as_str()),
        (deep.as_str(), "ada"),
    ];
    for (inner, username) in table {
        for body in both(inner) {
            assert_eq!(parse_press(body.as_bytes()), Ok(user(username)), "{body}");
        }
    }
}

#[test]
fn the_wrapper_decides_and_null_is_no_wrapper() {
    let table = [
        (r#"{"RequestBody":null,"username":"ada"}"#, "ada"),
        (r#"{"username":5,"RequestBody":{"username":"ada"}}"#, "ada"),
        (r#"{"RequestBody":{"username":"ada","RequestBody":[]},"x":1}"#, "ada"),
        (r#"{"Request\u0042ody":{"username":"ada"}}"#, "ada"),
    ];
    for (body, username) in table {
        assert_eq!(parse_press(body.as_bytes()), Ok(user(username)), "{body}");
    }
    let refused: [(&str, Wrong<'_>); 7] = [
        (r#"{"RequestBody":[]}"#, &[("RequestBody", "must be a JSON object")]),
        (r#"{"RequestBody":["ada"]}"#, &[("RequestBody", "must be a JSON object")]),
        (r#"{"RequestBody":"{\"username\":\"ada\"}"}"#, &[("RequestBody", "must be a JSON object")]),
        (r#"{"RequestBody":{},"username":"ada"}"#, &[("username", "is required")]),
        (r#"{"RequestBody":{"RequestBody":{"username":"ada"}}}"#, &[("username", "is required")]),
        (r#"{"RequestBody":{},"RequestBody":{}}"#, &[("RequestBody", "must be given exactly once")]),
        (r#"{"RequestBody":{"\udead":1}}"#, &[("username", "is required")]),
    ];
    for (body, expected) in refused {
        wrong(body.as_bytes(), parse_press(body.as_bytes()), expected);
    }
}

#[test]
fn a_wrong_username_says_why() {
    let long = format!(r#"{{"username":"{}"}}"#, "a".repeat(129));
    let huge = format!(r#"{{"username":"{}"}}"#, "é".repeat(524_288));
    let deep = format!(r#"{{"username":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let half = "must not contain half of a surrogate pair";
    let table = [
        ("{}", "is required"),
        (r#"{"Username":"ada"}"#, "is required"),
        (r#"{"username":null}"#, "is required"),
        (r#"{"username":""}"#, "must not be empty"),
        (r#"{"username":5}"#, "must be a string"),
        (r#"{"username":-1e999}"#, "must be a string"),
        (r#"{"username":true}"#, "must be a string"),
        (r#"{"username":["ada"]}"#, "must be a string"),
        (r#"{"username":{"$ne":null}}"#, "must be a string"),
        (deep.as_str(), "must be a string"),
        (r#"{"username":"a\u0000"}"#, "must not contain control characters"),
        (r#"{"username":"a\nb"}"#, "must not contain control characters"),
        (r#"{"username":"\u0085"}"#, "must not contain control characters"),
        (r#"{"username":"\ud800"}"#, half),
        (r#"{"username":"\ude00\ud83d"}"#, half),
        (r#"{"username":"\ud800\u0041"}"#, half),
        (long.as_str(), "has 129 bytes of UTF-8, at most 128 are allowed"),
        (huge.as_str(), "has 1048576 bytes of UTF-8, at most 128 are allowed"),
        (r#"{"username":"ada","username":"bob"}"#, "must be given exactly once"),
        (r#"{"username":"ada","user\u006eame":null}"#, "must be given exactly once"),
    ];
    for (inner, reason) in table {
        for body in both(inner) {
            let expected = [("username", reason)];
            wrong(body.as_bytes(), parse_press(body.as_bytes()), &expected);
            wrong(body.as_bytes(), parse_add(body.as_bytes()), &expected);
        }
    }
}

#[test]
fn what_is_no_json_object_says_so() {
    let deep = "[".repeat(10_000);
    let unclosed = format!(r#"{{"x":{deep}"#);
    let depth = "is not JSON: EOF while parsing a list at line 1 column 10005";
    let control =
        "is not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 14";
    let key =
        "is not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3";
    let table: [(&[u8], &str); 32] = [
        (b"", "must be a JSON object"),
        (b" ", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (br#"["ada"]"#, "must be a JSON object"),
        (br#"[{"username":"ada"}]"#, "must be a JSON object"),
        (br#""ada""#, "must be a JSON object"),
        (b"5", "must be a JSON object"),
        (b"NaN", "must be a JSON object"),
        (b"username=ada", "must be a JSON object"),
        (deep.as_bytes(), "must be a JSON object"),
        (unclosed.as_bytes(), depth),
        (b"\xef\xbb\xbf{\"username\":\"ada\"}", "must not begin with a byte order mark"),
        (b"\xff\xfe{\0}\0", "must be UTF-8"),
        (b"{\"username\":\"\xc3\x28\"}", "must be UTF-8"),
        (b"{\"username\":\"\xed\xa0\x80\"}", "must be UTF-8"),
        (b"{\"username\":\"ada\"}\xff", "must be UTF-8"),
        (b"\xc2\xa0{}", "is not JSON: expected value at line 1 column 1"),
        (b"{", "is not JSON: EOF while parsing an object at line 1 column 1"),
        (b"{\"username\":\"ad", "is not JSON: EOF while parsing a string at line 1 column 15"),
        (b"{\"username\":\"a\nb\"}", control),
        (b"{\"username\":\"ada\"}}", "is not JSON: trailing characters at line 1 column 19"),
        (b"{\"username\":\"ada\"}{}", "is not JSON: trailing characters at line 1 column 19"),
        (b"{\"username\":\"ada\"}\0", "is not JSON: trailing characters at line 1 column 19"),
        (b"{\"username\":\"ada\",}", "is not JSON: trailing comma at line 1 column 19"),
        (b"{'username':'ada'}", "is not JSON: key must be a string at line 1 column 2"),
        (b"{username:\"ada\"}", "is not JSON: key must be a string at line 1 column 2"),
        (b"{\"username\":NaN}", "is not JSON: expected value at line 1 column 13"),
        (b"{\"username\":\"\\x\"}", "is not JSON: invalid escape at line 1 column 15"),
        (b"{\"username\":\"\\u12\"}", "is not JSON: invalid escape at line 1 column 19"),
        (b"{\"\\u12\":1}", "is not JSON: invalid escape at line 1 column 8"),
        (b"{\"a\nb\":1}", key),
    ];
    for (body, reason) in table {
        let expected = [("body", reason)];
        wrong(body, parse_press(body), &expected);
        wrong(body, parse_add(body), &expected);
        wrong(body, parse_powerup(body), &expected);
        if !body.is_empty() {
            wrong(body, lead_ms(body), &expected);
        }
    }
}

#[test]
fn an_add_is_read_in_both_shapes() {
    let bare = || Add { username: user("ada"), name: None, platform: None, token: None };
    let name = |name| Some(DisplayName::new(name).expect("a valid name"));
    let long_name = "😀".repeat(64);
    let long_token = "t".repeat(4096);
    let long = format!(r#"{{"username":"ada","name":"{long_name}","token":"{long_token}"}}"#);
    let table = [
        (r#"{"username":"ada"}"#, bare()),
        (r#"{"username":"ada","token":null,"name":null,"platform":null}"#, bare()),
        (r#"{"username":"ada","token":""}"#, bare()),
        (r#"{"token": "" ,"username":"ada","name":null}"#, bare()),
        (r#"{"username":"ada","name":"Ada L."}"#, Add { name: name("Ada L."), ..bare() }),
        (r#"{"platform":"ios","username":"ada"}"#, Add { platform: Some(Platform::Ios), ..bare() }),
        (
            long.as_str(),
            Add { name: name(&long_name), token: Some(Token::new(&long_token).unwrap()), ..bare() },
        ),
    ];
    for (inner, add) in table {
        for body in both(inner) {
            assert_eq!(parse_add(body.as_bytes()), Ok(add.clone()), "{body}");
        }
    }
}

#[test]
fn every_wrong_field_of_an_add_is_named() {
    let long = format!(
        r#"{{"username":"{}","name":"{}","token":"{}","platform":"Android"}}"#,
        "é".repeat(65),
        "é".repeat(65),
        "t".repeat(4097)
    );
    let platform = ("platform", "must be one of android, ios, web");
    let table: [(&str, Wrong<'_>); 5] = [
        (
            r#"{"platform":4,"token":{},"name":["a"],"username":false}"#,
            &[
                ("username", "must be a string"),
                ("name", "must be a string"),
                ("platform", "must be a string"),
                ("token", "must be a string"),
            ],
        ),
        (
            r#"{"username":"","name":"","token":"","platform":""}"#,
            &[
                ("username", "must not be empty"),
                ("name", "must not be empty"),
                platform, // an empty token means none
            ],
        ),
        (
            long.as_str(),
            &[
                ("username", "has 130 bytes of UTF-8, at most 128 are allowed"),
                ("name", "has 65 characters, at most 64 are allowed"),
                platform,
                ("token", "has 4097 bytes of UTF-8, at most 4096 are allowed"),
            ],
        ),
        (r#"{"username":"ada","name":"\u007f"}"#, &[("name", "must not contain control characters")]),
        (r#"{"name":"A","platform":"web","platform":"web"}"#, &[("platform", "must be given exactly once")]),
    ];
    for (inner, expected) in table {
        for body in both(inner) {
            wrong(body.as_bytes(), parse_add(body.as_bytes()), expected);
        }
    }
}

#[test]
fn a_powerup_is_read_in_both_shapes() {
    let levels = [
        (PowerupKind::Freeze, ["6", "12.0", "24", "4.8e1"]),
        (PowerupKind::Multiplier, ["2", "3", "5.000", "1e1"]),
        (PowerupKind::Extender, ["1.5", "2.0", "3", "0.5e1"]),
    ];
    for (kind, quantities) in levels {
        for (level, quantity) in Level::ALL.into_iter().zip(quantities) {
            let code = kind.code();
            for body in both(&format!(
                r#"{{"username":"ada","powerUpType":"{code}","quantity":{quantity},"streak":[]}}"#
            )) {
                let expected = (user("ada"), Powerup { kind, level });
                assert_eq!(parse_powerup(body.as_bytes()), Ok(expected), "{body}");
            }
        }
    }
}

#[test]
fn a_wrong_quantity_says_why() {
    let levels = "must be one of 1.5, 2, 3, 5";
    let table = [
        ("null", "is required"),
        (r#""2""#, "must be a number"),
        (r#""NaN""#, "must be a number"),
        ("true", "must be a number"),
        ("[2]", "must be a number"),
        (r#"{"quantity":2}"#, "must be a number"),
        ("1e999", "is too large a number"),
        ("-1e999", "is too large a number"),
        ("1e-999", levels),
        ("0", levels),
        ("-0", levels),
        ("-0.0", levels),
        ("-2", levels),
        ("1.50001", levels),
        ("4", levels),
        ("99999999999999999999999999", levels),
        ("1.7976931348623157e308", levels),
    ];
    for (quantity, reason) in table {
        for body in both(&format!(r#"{{"username":"ada","powerUpType":"EXTENDER","quantity":{quantity}}}"#)) {
            wrong(body.as_bytes(), parse_powerup(body.as_bytes()), &[("quantity", reason)]);
        }
    }
    for quantity in ["NaN", "Infinity", "-Infinity", "0x2", "02", "+2", ".5", "2.", "1e", "-"] {
        let body = format!(r#"{{"username":"ada","powerUpType":"EXTENDER","quantity":{quantity}}}"#);
        let errors = parse_powerup(body.as_bytes()).unwrap_err();
        assert_eq!(errors.len(), 1, "{body}");
        assert_eq!(errors[0].field, "body", "{body}");
        assert!(errors[0].reason.starts_with("is not JSON: "), "{body}: {}", errors[0].reason);
    }
}

#[test]
fn every_wrong_field_of_a_powerup_is_named() {
    let required = [("username", "is required"), ("powerUpType", "is required"), ("quantity", "is required")];
    let table: [(&str, Wrong<'_>); 7] = [
        ("{}", &required),
        (r#"{"username":null,"powerUpType":null,"quantity":null}"#, &required),
        (
            r#"{"username":1,"powerUpType":2,"quantity":"3"}"#,
            &[
                ("username", "must be a string"),
                ("powerUpType", "must be a string"),
                ("quantity", "must be a number"),
            ],
        ),
        (
            r#"{"username":"","powerUpType":"FLY","quantity":true}"#,
            &[("username", "must not be empty"), ("powerUpType", POWERUPS), ("quantity", "must be a number")],
        ),
        // The kind decides which quantities exist: without a kind, the quantity is not checked.
        (r#"{"username":"ada","powerUpType":"freeze","quantity":7}"#, &[("powerUpType", POWERUPS)]),
        (
            r#"{"powerUpType":"FREEZE","quantity":7}"#,
            &[("username", "is required"), ("quantity", "must be one of 6, 12, 24, 48")],
        ),
        (
            r#"{"username":"ada","powerUpType":"MULTIPLIER","quantity":1.5}"#,
            &[("quantity", "must be one of 2, 3, 5, 10")],
        ),
    ];
    for (inner, expected) in table {
        for body in both(inner) {
            wrong(body.as_bytes(), parse_powerup(body.as_bytes()), expected);
        }
    }
}

#[test]
fn a_lead_may_be_left_out_but_not_be_wrong() {
    assert_eq!(lead_ms(b""), Ok(None));
    for (inner, lead) in [
        ("{}", None),
        (r#"{"lead_ms":null}"#, None),
        (r#"{"lead_ms":2000}"#, Some(2000)),
        (r#"{"lead_ms":-1}"#, Some(-1)),
        (r#"{"lead_ms":9223372036854775807}"#, Some(i64::MAX)),
        (r#"{"lead_ms":200.0}"#, Some(200)),
        (r#"{"lead_ms":2e2}"#, Some(200)),
        (r#"{"lead_ms":2500e-1}"#, Some(250)),
        (r#"{"lead_ms":-0.0}"#, Some(0)),
        (r#"{"lead_ms":9007199254740991.0}"#, Some(9_007_199_254_740_991)),
    ] {
        for body in both(inner) {
            assert_eq!(lead_ms(body.as_bytes()), Ok(lead), "{body}");
        }
    }
    for lead in [
        r#""2000""#,
        "2000.5",
        "1e-1",
        "9007199254740992.0",
        "1e999",
        "9223372036854775808",
        "true",
        "[2000]",
        "{}",
    ] {
        for body in both(&format!(r#"{{"lead_ms":{lead}}}"#)) {
            wrong(body.as_bytes(), lead_ms(body.as_bytes()), &[("lead_ms", "must be a whole number")]);
        }
    }
}

/// The command of an add is the same, byte for byte, however a phone says that it has no token.
#[test]
fn an_add_without_a_token_is_one_command() {
    let command = |rest: &str| {
        let add = parse_add(format!(r#"{{"username":"ada"{rest}}}"#).as_bytes()).expect("a valid add");
        let mut command = Vec::new();
        encode_action(&Action::Add(add), &mut command).expect("it can be written");
        String::from_utf8(command).expect("JSON is UTF-8")
    };
    for rest in ["", r#","token":"""#, r#","token":null"#] {
        assert_eq!(command(rest), r#"{"add":{"username":"ada"}}"#, "{rest}");
    }
}
