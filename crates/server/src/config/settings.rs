//! Every setting: its name, defaults, unit and meaning. `--help`, `config` and the parser are made from this table.

/// One setting. Its environment variable is `BUTTONPARTY_` and the name; its flag the name in lower case with dashes.
#[derive(Debug)]
pub struct Setting {
    /// The name, as in the environment without its prefix.
    pub name: &'static str,
    /// The default of every role; `None`: there is none.
    pub default: Option<&'static str>,
    /// The default of `dev` where it is another.
    pub dev: Option<&'static str>,
    /// What its value is measured in, or what shape it has.
    pub unit: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

impl Setting {
    const fn new(
        name: &'static str,
        default: Option<&'static str>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, default, dev: None, unit, meaning, secret: false }
    }

    const fn dev(self, dev: &'static str) -> Self {
        Self { dev: Some(dev), ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("BUTTONPARTY_{}", self.name)
    }

    /// The flag without its dashes in front.
    pub fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The default for `dev` or for the other roles.
    pub fn default_for(&self, dev: bool) -> Option<&'static str> {
        if dev { self.dev.or(self.default) } else { self.default }
    }
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting::new(
        "LISTEN",
        Some("127.0.0.1:8080"),
        "address:port",
        "where HTTP is served; port 0 picks a free one, which is printed on the first line of output",
    ),
    Setting::new("DATA", Some("./buttonparty-data"), "folder", "where the embedded inbox and store live"),
    Setting::new(
        "QUEUE_URL",
        Some("embedded"),
        "embedded, sqlite:PATH or sqs:URL",
        "the ordered inbox; with SQS, the AWS_* variables of AWS's SDK say region, keys and endpoint",
    ),
    Setting::new(
        "STORE_URL",
        Some("embedded"),
        "embedded, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
        "the game's database; PostgreSQL is set up with `migrate`",
    ),
    Setting::new(
        "STORE_PASSWORD",
        None,
        "text",
        "the password of STORE_URL's user, where the URL holds none; any characters, as they are",
    )
    .secret(),
    Setting::new(
        "BOARD_URL",
        Some("in process"),
        "in process, redis://HOST/NUMBER or rediss://HOST (with TLS)",
        "where ranks are kept; several processes share them in Redis",
    ),
    Setting::new(
        "WRITER_PASSWORD",
        None,
        "text",
        "for `migrate` with PostgreSQL: what buttonparty_writer logs in with",
    )
    .secret(),
    Setting::new(
        "READER_PASSWORD",
        None,
        "text",
        "for `migrate` with PostgreSQL: what buttonparty_reader logs in with",
    )
    .secret(),
    Setting::new(
        "PUSH_PASSWORD",
        None,
        "text",
        "for `migrate` with PostgreSQL: what buttonparty_push logs in with",
    )
    .secret(),
    Setting::new(
        "SCHEDULER_PASSWORD",
        None,
        "text",
        "for `migrate` with PostgreSQL: what buttonparty_scheduler logs in with",
    )
    .secret(),
    Setting::new(
        "PARTITIONS",
        Some("auto"),
        "count, 1 to 1024; auto: 1 with inbox and store embedded, else 16",
        "number of partitions of the inbox; a game refuses another value, `repartition` changes it while it is stopped",
    ),
    Setting::new(
        "WINDOW_MS",
        Some("100000"),
        "milliseconds",
        "how long the player is told that a round is lit",
    )
    .dev("8000"),
    Setting::new(
        "GRACE_MS",
        Some("10000"),
        "milliseconds",
        "how much longer a press still counts; never shown",
    )
    .dev("2000"),
    Setting::new(
        "ROUND_GAP_MS",
        Some("3600000"),
        "milliseconds",
        "the buffer after an opening in which no other opens; more than 5 × (window + grace)",
    )
    .dev("50001"),
    Setting::new(
        "ROUND_ODDS",
        Some("10000"),
        "one in so many",
        "the chance, each second after the buffer, that a round opens; 0: only operators open rounds",
    )
    .dev("10"),
    Setting::new(
        "ROUND_LEAD_MS",
        Some("2000"),
        "milliseconds",
        "how long before its opening a round is announced at the latest",
    )
    .dev("1000"),
    Setting::new(
        "FIRST_ROUND_MS",
        None,
        "milliseconds",
        "when set, a round opens this long after the scheduler started, or as soon as none would overlap",
    )
    .dev("5000"),
    Setting::new("OPERATOR_TOKEN", None, "text", "bearer token of operators; without one, /admin is off")
        .dev("dev")
        .secret(),
    Setting::new(
        "AUTH",
        None,
        "open",
        "how players sign in; must be chosen where players' commands are taken",
    )
    .dev("open"),
    Setting::new(
        "CORS_ORIGINS",
        Some(""),
        "origins, separated by commas",
        "other origins whose pages may call; none by default but the server's own page",
    ),
    Setting::new(
        "VISIBILITY_MS",
        Some("auto"),
        "milliseconds; auto: 5000 with an embedded inbox, else 30000",
        "how long a handler that died keeps its partitions before another takes over",
    )
    .dev("2000"),
    Setting::new(
        "ENVELOPE_BYTES_MAX",
        Some("65536"),
        "bytes",
        "most bytes of one message of the inbox; a larger batch is split",
    ),
    Setting::new("INBOX_BYTES_MAX", Some("17179869184"), "bytes", "most bytes of the embedded inbox's file"),
    Setting::new(
        "PUSH_SINK",
        Some("log"),
        "log or record",
        "where pushes go; record appends them to pushes.jsonl in DATA",
    ),
    Setting::new("LOG", Some("info"), "level or filter", "what is logged, as in tracing's EnvFilter"),
    Setting::new("LOG_FORMAT", Some("json"), "json or text", "how it is logged").dev("text"),
];
