//! The configuration: its defaults are those of the table that scripts rely on, every mistake is told at once and by
//! name, and secrets are never shown.

use std::collections::HashMap;
use std::path::Path;

use serve::Auth;
use server::config::{BoardAddress, Config, LogFormat, PushSink, QueueAddress, Role, SETTINGS, StoreAddress};

fn parse(role: Role, given: &[(&str, &str)]) -> Result<Config, String> {
    let given: HashMap<_, _> = given.iter().copied().collect();
    for name in given.keys() {
        assert!(SETTINGS.iter().any(|setting| setting.name == *name), "{name} is no setting");
    }
    let parsed = Config::parse(role, |setting| given.get(setting.name).map(|value| (*value).to_owned()));
    parsed.map_err(|errors| errors.to_string())
}

fn good(role: Role, given: &[(&str, &str)]) -> Config {
    parse(role, given).unwrap()
}

/// What is said about settings that are wrong.
fn wrong(given: &[(&str, &str)]) -> String {
    let mut given = given.to_vec();
    if !given.iter().any(|(name, _)| *name == "AUTH") {
        given.push(("AUTH", "open"));
    }
    parse(Role::All, &given).unwrap_err()
}

#[test]
fn the_defaults_are_those_of_the_table() {
    // Name, default, default of `dev`.
    let table = [
        ("LISTEN", Some("127.0.0.1:8080"), Some("127.0.0.1:8080")),
        ("DATA", Some("./buttonparty-data"), Some("./buttonparty-data")),
        ("QUEUE_URL", Some("embedded"), Some("embedded")),
        ("STORE_URL", Some("embedded"), Some("embedded")),
        ("BOARD_URL", Some("in process"), Some("in process")),
        ("PARTITIONS", Some("auto"), Some("auto")),
        ("WINDOW_MS", Some("100000"), Some("8000")),
        ("GRACE_MS", Some("10000"), Some("2000")),
        ("ROUND_GAP_MS", Some("3600000"), Some("50001")),
        ("ROUND_ODDS", Some("10000"), Some("10")),
        ("OPERATOR_TOKEN", None, Some("dev")),
        ("AUTH", None, Some("open")),
    ];
    for (name, all, dev) in table {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).expect(name);
        assert_eq!((setting.default_for(false), setting.default_for(true)), (all, dev), "{name}");
    }
    let lead = SETTINGS.iter().find(|setting| setting.name == "ROUND_LEAD_MS").unwrap();
    assert_eq!(lead.default_for(false), Some("2000"));
}

#[test]
fn all_is_for_a_real_game() {
    let config = good(Role::All, &[("AUTH", "open")]);
    assert_eq!(config.auth, Auth::Open);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.data, Path::new("./buttonparty-data"));
    assert_eq!(config.queue, QueueAddress::File("./buttonparty-data/inbox.sqlite".into()));
    assert_eq!(config.store, StoreAddress::File("./buttonparty-data/game.sqlite".into()));
    assert_eq!(config.board, BoardAddress::InProcess);
    assert_eq!(config.partitions, 1);
    let cadence = config.cadence;
    assert_eq!((cadence.window_ms, cadence.grace_ms), (100_000, 10_000));
    assert_eq!((cadence.gap_ms, cadence.odds), (3_600_000, 10_000));
    assert_eq!((config.round_lead_ms, config.first_round_ms), (2_000, None));
    assert_eq!((config.operator_token, config.cors_origins), (None, vec![]));
    assert_eq!((config.visibility_ms, config.envelope_bytes_max), (5_000, 65_536));
    assert_eq!(config.inbox_bytes_max, 16 << 30);
    assert_eq!((config.push_sink, config.log_format), (PushSink::Log, LogFormat::Json));
}

#[test]
fn dev_is_for_trying_it_out_and_needs_nothing() {
    let config = good(Role::Dev, &[]);
    let cadence = config.cadence;
    assert_eq!((cadence.window_ms, cadence.grace_ms, cadence.gap_ms), (8_000, 2_000, 50_001));
    // A round about once a minute.
    assert_eq!(cadence.odds, 10);
    assert!(config.first_round_ms.is_some_and(|first_ms| first_ms <= 10_000), "a newcomer sees one soon");
    assert_eq!(config.operator_token.as_deref(), Some("dev"));
    assert_eq!(config.log_format, LogFormat::Text);
    // Every value can be given to both.
    let given = [
        ("WINDOW_MS", "100000"),
        ("GRACE_MS", "10000"),
        ("ROUND_GAP_MS", "3600000"),
        ("ROUND_ODDS", "0"),
        ("OPERATOR_TOKEN", ""),
        ("FIRST_ROUND_MS", ""),
    ];
    let config = good(Role::Dev, &given);
    assert_eq!((config.cadence.window_ms, config.cadence.odds), (100_000, 0));
    assert_eq!((config.operator_token, config.first_round_ms), (None, None), "an empty value is none");
}

#[test]
fn good_values_are_taken() {
    let config = good(
        Role::All,
        &[
            ("AUTH", "open"),
            ("LISTEN", "[::1]:0"),
            ("QUEUE_URL", "sqlite:/a/inbox"),
            ("STORE_URL", "sqlite:b/game"),
            ("PARTITIONS", "1024"),
            ("ROUND_GAP_MS", "550001"),
            ("OPERATOR_TOKEN", "s3cr3t"),
            ("CORS_ORIGINS", "https://a.example, http://localhost:3000,"),
            ("PUSH_SINK", "record"),
            ("LOG_FORMAT", "text"),
            ("LOG", "debug,sqlx=warn"),
        ],
    );
    assert_eq!(config.listen.port(), 0);
    assert_eq!(config.queue, QueueAddress::File("/a/inbox".into()));
    assert_eq!(config.store, StoreAddress::File("b/game".into()));
    assert_eq!((config.partitions, config.cadence.gap_ms), (1024, 550_001));
    assert_eq!(config.operator_token.as_deref(), Some("s3cr3t"));
    assert_eq!(config.cors_origins, ["https://a.example", "http://localhost:3000"]);
    assert_eq!((config.push_sink, config.log_format), (PushSink::Record, LogFormat::Text));
    assert_eq!(config.log, "debug,sqlx=warn");
}

#[test]
fn a_game_of_several_processes_has_other_defaults() {
    let queue = "sqs:https://sqs.eu-central-1.amazonaws.com/123456789012/inbox.fifo";
    let elsewhere = [
        ("AUTH", "open"),
        ("QUEUE_URL", queue),
        ("STORE_URL", "postgres://writer:pa55w0rd@db.example/game"),
        ("BOARD_URL", "redis://:pa55w0rd@board.example:6379/3"),
        ("WRITER_PASSWORD", "a"),
        ("READER_PASSWORD", "b=c,d"),
        ("PUSH_PASSWORD", ""),
    ];
    let config = good(Role::All, &elsewhere);
    assert_eq!((config.partitions, config.visibility_ms), (16, 30_000));
    assert_eq!(config.queue, QueueAddress::Sqs(queue["sqs:".len()..].to_owned()));
    let store::RolePasswords { writer, reader, push, scheduler } = config.role_passwords.clone();
    assert_eq!((writer.as_deref(), reader.as_deref()), (Some("a"), Some("b=c,d")));
    assert_eq!((push, scheduler), (None, None));
    for shown in [format!("{:?} {:?}", config.store, config.board), config.table(), format!("{config:?}")] {
        assert!(!shown.contains("pa55w0rd") && shown.contains("db.example/game"), "{shown}");
    }
    let given = [elsewhere.as_slice(), &[("PARTITIONS", "4"), ("VISIBILITY_MS", "3000")]].concat();
    let config = good(Role::All, &given);
    assert_eq!((config.partitions, config.visibility_ms), (4, 3_000));
    assert!(
        !good(Role::All, &[("AUTH", "open"), ("STORE_URL", "postgres://h/d?password=pa55w0rd")])
            .table()
            .contains("pa55w0rd")
    );
}

#[test]
fn each_mistake_is_told_by_name_with_the_reason() {
    let table = [
        ("LISTEN", "here", "must be an address and a port"),
        ("LISTEN", "127.0.0.1", "must be an address and a port"),
        ("QUEUE_URL", "sqs:https://queue.example", "must be `embedded`, `sqlite:PATH` or `sqs:`"),
        ("QUEUE_URL", "sqs:queue.fifo", "the https URL of a FIFO queue"),
        ("QUEUE_URL", "sqlite:", "must be `embedded`, `sqlite:PATH` or `sqs:`"),
        ("STORE_URL", "postgres://", "must be `embedded`, `sqlite:PATH` or `postgres://"),
        ("STORE_URL", "mysql://db.example/game", "must be `embedded`, `sqlite:PATH` or `postgres://"),
        (
            "BOARD_URL",
            "memcached://board.example",
            "must be `in process`, `redis://HOST/NUMBER` or `rediss://",
        ),
        ("PARTITIONS", "0", "must be a whole number from 1 to 1024"),
        ("PARTITIONS", "1025", "must be a whole number from 1 to 1024"),
        ("PARTITIONS", "+5", "must be a whole number from 1 to 1024"),
        ("PARTITIONS", "two", "must be a whole number from 1 to 1024"),
        ("WINDOW_MS", "0", "must be a whole number from 1 to 86400000"),
        ("WINDOW_MS", "1.5", "must be a whole number"),
        ("GRACE_MS", "-1", "must be a whole number from 0"),
        ("ROUND_GAP_MS", "99999999999999999999", "must be a whole number"),
        ("ROUND_ODDS", "-1", "must be a whole number from 0"),
        ("ROUND_LEAD_MS", "99", "must be a whole number from 100 to 3600000"),
        ("ROUND_LEAD_MS", "3600001", "must be a whole number from 100 to 3600000"),
        ("ROUND_LEAD_MS", "+200", "must be a whole number from 100"),
        ("FIRST_ROUND_MS", "+5", "must be a whole number"),
        ("FIRST_ROUND_MS", "soon", "must be a whole number"),
        ("AUTH", "firebase", "signing in is not in this version"),
        ("AUTH", "google", "signing in is not in this version"),
        ("AUTH", "password", "must be `open`"),
        ("AUTH", "", "must be chosen"),
        ("CORS_ORIGINS", "https://a.example/path", "without a path"),
        ("CORS_ORIGINS", "https://a.example,*", "each must be an origin"),
        ("VISIBILITY_MS", "999", "must be a whole number from 1000"),
        ("ENVELOPE_BYTES_MAX", "262145", "must be a whole number from 32768 to 262144"),
        ("INBOX_BYTES_MAX", "1", "must be a whole number from 1048576"),
        ("PUSH_SINK", "fcm", "must be log or record"),
        ("LOG_FORMAT", "xml", "must be json or text"),
    ];
    for (name, value, reason) in table {
        let errors = wrong(&[(name, value)]);
        assert!(errors.starts_with("the configuration has 1 mistake(s):\n"), "{errors}");
        assert!(errors.contains(&format!("\n  BUTTONPARTY_{name}={value}: ")), "{errors}");
        assert!(errors.contains(reason), "{name}={value}: {errors}");
    }
}

#[test]
fn a_password_may_be_given_apart_from_the_url() {
    let given = |url, password| {
        let given = [("AUTH", "open"), ("STORE_URL", url), ("STORE_PASSWORD", password)];
        parse(Role::All, &given).map(|config| config.store)
    };
    let url = "postgres://writer@db.example:5432/game?sslmode=require";
    let encoded = "postgres://writer:p%40ss%3A%2Fw%25rd%20%C3%A9%2541@db.example:5432/game?sslmode=require";
    assert_eq!(given(url, "p@ss:/w%rd é%41"), Ok(StoreAddress::Postgres(encoded.to_owned())));
    assert_eq!(given(url, ""), Ok(StoreAddress::Postgres(url.to_owned())), "an empty value is none");
    let needs = "needs a BUTTONPARTY_STORE_URL like `postgres://USER@HOST/DATABASE`";
    let twice = "BUTTONPARTY_STORE_URL holds a password too: give it in one of the two";
    for (url, reason) in [
        ("embedded", needs),
        ("postgres://db.example/game", needs),
        ("postgres://writer@:x/game", needs),
        ("postgres://writer:other@db.example/game", twice),
        ("postgres://writer@db.example/game?sslmode=require&password=other", twice),
    ] {
        let told = given(url, "very-secret").unwrap_err();
        assert!(
            told.contains(&format!("\n  BUTTONPARTY_STORE_PASSWORD=********: {reason}")),
            "{url}: {told}"
        );
        assert!(!told.contains("very-secret") && !told.contains("other"), "{told}");
    }
}

#[test]
fn rounds_that_could_overlap_are_refused_with_both_figures() {
    let errors = wrong(&[("ROUND_GAP_MS", "550000")]);
    assert!(errors.contains("BUTTONPARTY_ROUND_GAP_MS=550000"), "{errors}");
    assert!(errors.contains("550000 ms and must be more than 5 × (window + grace) = 550000 ms"), "{errors}");
    good(Role::All, &[("AUTH", "open"), ("ROUND_GAP_MS", "550001")]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let given = [
        ("LISTEN", "here"),
        ("QUEUE_URL", "kafka"),
        ("STORE_URL", "mysql"),
        ("BOARD_URL", "memcached"),
        ("PARTITIONS", "0"),
        ("WINDOW_MS", "x"),
        ("GRACE_MS", "x"),
        ("ROUND_GAP_MS", "x"),
        ("ROUND_ODDS", "x"),
        ("ROUND_LEAD_MS", "x"),
        ("FIRST_ROUND_MS", "x"),
        ("OPERATOR_TOKEN", "not visible"),
        ("AUTH", "x"),
        ("CORS_ORIGINS", "x"),
        ("VISIBILITY_MS", "x"),
        ("ENVELOPE_BYTES_MAX", "x"),
        ("INBOX_BYTES_MAX", "x"),
        ("PUSH_SINK", "x"),
        ("LOG_FORMAT", "x"),
    ];
    let errors = wrong(&given);
    assert!(errors.starts_with(&format!("the configuration has {} mistake(s):\n", given.len())), "{errors}");
    for (name, _) in given {
        assert_eq!(errors.matches(&format!("\n  BUTTONPARTY_{name}=")).count(), 1, "{name}: {errors}");
    }
}

#[test]
fn how_players_sign_in_must_be_chosen_where_their_commands_are_taken() {
    for role in [Role::All, Role::Ingest] {
        let errors = parse(role, &[]).unwrap_err();
        assert!(errors.contains("\n  BUTTONPARTY_AUTH: must be chosen"), "{errors}");
    }
    for role in [Role::Handler, Role::Scheduler, Role::Fetch, Role::Push, Role::Tool] {
        good(role, &[]);
        assert!(
            parse(role, &[("AUTH", "firebase")]).is_err(),
            "a choice that is not there is a mistake everywhere"
        );
    }
}

#[test]
fn secrets_are_never_shown() {
    for secret in ["very secret", &"s".repeat(257), "geheim\u{e4}"] {
        let errors = wrong(&[("OPERATOR_TOKEN", secret), ("PARTITIONS", "0")]);
        assert!(!errors.contains(secret), "{errors}");
        assert!(
            errors.contains("BUTTONPARTY_OPERATOR_TOKEN=********: must be 1 to 256 visible ASCII"),
            "{errors}"
        );
    }
    let secrets: Vec<_> = SETTINGS.iter().filter(|setting| setting.secret).collect();
    assert_eq!(secrets.len(), 6, "{secrets:?}");
    let mut given = vec![("AUTH", "open"), ("STORE_URL", "postgres://ada@db.example/game")];
    given.extend(secrets.iter().map(|setting| (setting.name, "very-secret")));
    let config = good(Role::All, &given);
    for shown in [config.table(), format!("{config:?}"), format!("{:?}", config.role_passwords)] {
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    let table = good(Role::All, &[("AUTH", "open"), ("OPERATOR_TOKEN", "very-secret")]).table();
    assert!(!table.contains("very-secret"), "{table}");
    assert!(table.contains("BUTTONPARTY_OPERATOR_TOKEN = ********\n"), "{table}");
    // The one that everybody knows is not shown either, and none is not a secret.
    let dev = good(Role::Dev, &[]).table();
    assert!(dev.contains("BUTTONPARTY_OPERATOR_TOKEN = ********\n"), "{dev}");
    let none = good(Role::All, &[("AUTH", "open")]).table();
    assert!(none.contains("BUTTONPARTY_OPERATOR_TOKEN = (none)\n"), "{none}");
}

#[test]
fn every_setting_is_shown_with_value_default_unit_and_meaning() {
    let table = good(Role::All, &[("AUTH", "open"), ("WINDOW_MS", "90000")]).table();
    for setting in SETTINGS {
        assert!(table.contains(&format!("BUTTONPARTY_{} = ", setting.name)), "{}", setting.name);
        assert!(table.contains(setting.meaning) && table.contains(&format!("unit: {}; ", setting.unit)));
    }
    assert!(table.contains("BUTTONPARTY_WINDOW_MS = 90000\n"), "{table}");
    assert!(table.contains("unit: milliseconds; default: 100000\n"), "{table}");
}

#[test]
fn a_flag_is_the_name_in_lower_case_with_dashes() {
    let flags: Vec<_> = SETTINGS.iter().map(|setting| (setting.variable(), setting.flag())).collect();
    let pair = |variable: &str, flag: &str| (variable.to_owned(), flag.to_owned());
    assert!(flags.contains(&pair("BUTTONPARTY_LISTEN", "listen")));
    assert!(flags.contains(&pair("BUTTONPARTY_ROUND_GAP_MS", "round-gap-ms")));
}

#[test]
fn dev_and_all_have_every_part() {
    let parts = [Role::Ingest, Role::Handler, Role::Scheduler, Role::Fetch, Role::Push];
    for part in parts {
        assert!(Role::Dev.has(part) && Role::All.has(part) && part.has(part) && !Role::Tool.has(part));
        assert!(parts.iter().all(|other| part == *other || !part.has(*other)));
    }
    assert!(!Role::All.has(Role::Tool));
}
