//! The configuration: defaults, which scripts rely on; all errors at once, each with its setting; and masked secrets.

use std::collections::HashMap;
use std::path::Path;

use insta::assert_snapshot;
use serve::Auth;
use server::config::{BoardAddress, Config, LogFormat, PushSink, QueueAddress, Role, StoreAddress, settings};

fn parse(role: Role, given: &[(&str, &str)]) -> Result<Config, String> {
    let given: HashMap<_, _> = given.iter().copied().collect();
    for name in given.keys() {
        assert!(settings().any(|setting| setting.name == *name), "{name} is no setting");
    }
    let parsed = Config::parse(role, |setting| given.get(setting.name).map(|value| (*value).to_owned()));
    parsed.map_err(|errors| errors.to_string())
}

fn good(role: Role, given: &[(&str, &str)]) -> Config {
    parse(role, given).unwrap()
}

/// The error text for these settings.
fn wrong(given: &[(&str, &str)]) -> String {
    let mut given = given.to_vec();
    if !given.iter().any(|(name, _)| *name == "AUTH") {
        given.push(("AUTH", "open"));
    }
    parse(Role::All, &given).unwrap_err()
}

const SERVICES: [(&str, &str); 7] = [
    ("AUTH", "open"),
    ("QUEUE_URL", "sqs:https://sqs.eu-central-1.amazonaws.com/123456789012/inbox.fifo"),
    ("STORE_URL", "postgres://writer:pa55w0rd@db.example/game"),
    ("BOARD_URL", "redis://:pa55w0rd@board.example:6379/3"),
    ("WRITER_PASSWORD", "a"),
    ("READER_PASSWORD", "b=c,d"),
    ("PUSH_PASSWORD", ""),
];

#[test]
fn config_shows_every_setting_with_value_default_unit_and_meaning() {
    assert_snapshot!("config_all", good(Role::All, &[("AUTH", "open")]).table());
    assert_snapshot!("config_dev", good(Role::Dev, &[]).table());
    let password = [("OPERATOR_TOKEN", "very-secret")];
    let services = good(Role::All, &[&SERVICES[..], &password].concat()).table();
    assert!(!services.contains("very-secret") && !services.contains("pa55w0rd"), "{services}");
    assert_snapshot!("config_services", services);
}

#[test]
fn the_file_is_what_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let stored = std::fs::read_to_string(file).unwrap();
    let write = "write it anew: cargo run -q -p server -- config --markdown > docs/settings.md";
    assert!(stored == server::config::document(), "docs/settings.md is out of date; {write}");
}

#[test]
fn all_is_for_a_real_game() {
    let config = good(Role::All, &[("AUTH", "open")]);
    assert_eq!(config.http.auth, Auth::Open);
    assert_eq!(config.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.files.data, Path::new("./buttonparty-data"));
    assert_eq!(config.inbox.address, QueueAddress::File("./buttonparty-data/inbox.sqlite".into()));
    assert_eq!(config.store.address, StoreAddress::File("./buttonparty-data/game.sqlite".into()));
    assert_eq!(config.ranks.address, BoardAddress::InProcess);
    assert_eq!(config.inbox.partitions, 1);
    let cadence = config.rounds.cadence();
    assert_eq!((cadence.window_ms, cadence.grace_ms), (100_000, 10_000));
    assert_eq!((cadence.gap_ms, cadence.odds), (3_600_000, 10_000));
    assert_eq!((config.rounds.lead_ms, config.rounds.first_ms), (2_000, None));
    assert_eq!((config.http.operator_token, config.http.cors_origins), (None, vec![]));
    assert_eq!((config.inbox.visibility_ms, config.inbox.envelope_bytes_max), (5_000, 65_536));
    assert_eq!(config.inbox.file_bytes_max, 16 << 30);
    assert_eq!((config.push.sink, config.log.format), (PushSink::Log, LogFormat::Json));
}

#[test]
fn dev_is_for_trying_it_out_and_needs_nothing() {
    let config = good(Role::Dev, &[]);
    let cadence = config.rounds.cadence();
    assert_eq!((cadence.window_ms, cadence.grace_ms, cadence.gap_ms), (8_000, 2_000, 50_001));
    // About one round a minute.
    assert_eq!(cadence.odds, 10);
    assert!(config.rounds.first_ms.is_some_and(|first_ms| first_ms <= 10_000), "a newcomer sees one soon");
    assert_eq!(config.http.operator_token.as_deref(), Some("dev"));
    assert_eq!(config.log.format, LogFormat::Text);
    // Environment and flags accept every value.
    let given = [
        ("WINDOW_MS", "100000"),
        ("GRACE_MS", "10000"),
        ("ROUND_GAP_MS", "3600000"),
        ("ROUND_ODDS", "0"),
        ("OPERATOR_TOKEN", ""),
        ("FIRST_ROUND_MS", ""),
    ];
    let config = good(Role::Dev, &given);
    assert_eq!((config.rounds.cadence().window_ms, config.rounds.cadence().odds), (100_000, 0));
    assert_eq!((config.http.operator_token, config.rounds.first_ms), (None, None), "an empty value is none");
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
    assert_eq!(config.http.listen.port(), 0);
    assert_eq!(config.inbox.address, QueueAddress::File("/a/inbox".into()));
    assert_eq!(config.store.address, StoreAddress::File("b/game".into()));
    assert_eq!((config.inbox.partitions, config.rounds.cadence().gap_ms), (1024, 550_001));
    assert_eq!(config.http.operator_token.as_deref(), Some("s3cr3t"));
    assert_eq!(config.http.cors_origins, ["https://a.example", "http://localhost:3000"]);
    assert_eq!((config.push.sink, config.log.format), (PushSink::Record, LogFormat::Text));
    assert_eq!(config.log.filter, "debug,sqlx=warn");
}

#[test]
fn a_game_of_several_processes_has_other_defaults() {
    let config = good(Role::All, &SERVICES);
    assert_eq!((config.inbox.partitions, config.inbox.visibility_ms), (16, 30_000));
    assert_eq!(config.inbox.address, QueueAddress::Sqs(SERVICES[1].1["sqs:".len()..].to_owned()));
    let store::RolePasswords { writer, reader, push, scheduler } = config.store.role_passwords();
    assert_eq!((writer.as_deref(), reader.as_deref()), (Some("a"), Some("b=c,d")));
    assert_eq!((push, scheduler), (None, None));
    for shown in [
        format!("{:?} {:?}", config.store.address, config.ranks.address),
        config.table(),
        format!("{config:?}"),
    ] {
        assert!(!shown.contains("pa55w0rd") && shown.contains("db.example/game"), "{shown}");
    }
    let given = [&SERVICES[..], &[("PARTITIONS", "4"), ("VISIBILITY_MS", "3000")]].concat();
    let config = good(Role::All, &given);
    assert_eq!((config.inbox.partitions, config.inbox.visibility_ms), (4, 3_000));
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
        ("AUTH", "firebase", "sign-in is not supported yet"),
        ("AUTH", "google", "sign-in is not supported yet"),
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
        assert!(errors.starts_with("the configuration has 1 error(s):\n"), "{errors}");
        assert!(errors.contains(&format!("\n  BUTTONPARTY_{name}={value}: ")), "{errors}");
        assert!(errors.contains(reason), "{name}={value}: {errors}");
    }
}

#[test]
fn a_password_may_be_given_apart_from_the_url() {
    let given = |url, password| {
        let given = [("AUTH", "open"), ("STORE_URL", url), ("STORE_PASSWORD", password)];
        parse(Role::All, &given).map(|config| config.store.address)
    };
    let url = "postgres://writer@db.example:5432/game?sslmode=require";
    let encoded = "postgres://writer:p%40ss%3A%2Fw%25rd%20%C3%A9%2541@db.example:5432/game?sslmode=require";
    assert_eq!(given(url, "p@ss:/w%rd é%41"), Ok(StoreAddress::Postgres(encoded.to_owned())));
    assert_eq!(given(url, ""), Ok(StoreAddress::Postgres(url.to_owned())), "an empty value is none");
    let needs = "needs a BUTTONPARTY_STORE_URL like `postgres://USER@HOST/DATABASE`";
    let twice = "BUTTONPARTY_STORE_URL contains a password too: set only one of them";
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
        ("DATA", ""),
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
        ("LOG", "no=such=filter"),
        ("LOG_FORMAT", "x"),
    ];
    assert_snapshot!(wrong(&given));
}

#[test]
fn the_lambda_tells_all_mistakes_at_once_and_no_secret() {
    let told = |given: &[(&str, &str)]| {
        let given: HashMap<_, _> = given.iter().copied().collect();
        let settings =
            fetch::lambda::Settings::read(|variable| given.get(variable).map(|text| (*text).to_owned()));
        settings.err().map(|errors| errors.to_string()).unwrap_or_default()
    };
    assert_snapshot!("lambda_nothing_given", told(&[("BUTTONPARTY_STORE_SECRET", "")]));
    let wrong = told(&[
        ("BUTTONPARTY_STORE_URL", "postgres://reader:pa55w0rd@db.example/game"),
        ("BUTTONPARTY_STORE_SECRET", "arn"),
        ("BUTTONPARTY_BOARD_URL", "memcached://:pa55w0rd@board.example"),
        ("BUTTONPARTY_LOG", "no=such=filter"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "pa55w0rd"),
    ]);
    assert!(!wrong.contains("pa55w0rd"), "{wrong}");
    assert_snapshot!("lambda_all_wrong", wrong);
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
    // Whatever is wrong with an address, what stands in front of its host may be a password.
    let addresses = [
        ("STORE_URL", "mysql://ada:pa?ss-word@db/game"),
        ("STORE_URL", "ada:pass-word@db.example/game"),
        ("BOARD_URL", "http://:pa?ss-word@h:6379/0"),
        ("BOARD_URL", ":pass-word@board:6379"),
    ];
    for (name, address) in addresses {
        let errors = wrong(&[(name, address)]);
        assert!(errors.contains(name) && !errors.contains("word"), "{errors}");
    }
    let given = [("AUTH", "open"), ("BOARD_URL", "redis://:pa?ss-word@h:6379/0")];
    let shown = good(Role::All, &given).table();
    // `-word`: the meanings of settings speak of passwords.
    assert!(shown.contains("redis://********@h:6379/0") && !shown.contains("-word"), "{shown}");
    let secrets: Vec<_> = settings().filter(|setting| setting.secret).collect();
    assert_eq!(secrets.len(), 6, "{secrets:?}");
    let mut given = vec![("AUTH", "open"), ("STORE_URL", "postgres://ada@db.example/game")];
    given.extend(secrets.iter().map(|setting| (setting.name, "very-secret")));
    let config = good(Role::All, &given);
    for shown in [config.table(), format!("{config:?}"), format!("{:?}", config.store.role_passwords())] {
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    let table = good(Role::All, &[("AUTH", "open"), ("OPERATOR_TOKEN", "very-secret")]).table();
    assert!(!table.contains("very-secret"), "{table}");
    assert!(table.contains("BUTTONPARTY_OPERATOR_TOKEN = ********\n"), "{table}");
    // The default secret is masked too; an empty value is not a secret.
    let dev = good(Role::Dev, &[]).table();
    assert!(dev.contains("BUTTONPARTY_OPERATOR_TOKEN = ********\n"), "{dev}");
    let none = good(Role::All, &[("AUTH", "open")]).table();
    assert!(none.contains("BUTTONPARTY_OPERATOR_TOKEN = (none)\n"), "{none}");
}

#[test]
fn a_flag_is_the_name_in_lower_case_with_dashes() {
    let flags: Vec<_> = settings().map(|setting| (setting.variable(), setting.flag())).collect();
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
