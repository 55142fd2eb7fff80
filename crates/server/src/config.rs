//! The configuration: parsed once, from flags and the environment; every mistake is reported, by name, at once.
//! Nothing else reads the environment.

mod settings;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use game::schedule::Cadence;
pub use settings::{SETTINGS, Setting};
use tracing_subscriber::EnvFilter;

use crate::bounds::{LEAD_MS_MAX, LEAD_MS_MIN};

/// Which parts of the game a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All of them, with defaults for trying it out.
    Dev,
    /// All of them.
    All,
    /// Takes players' commands.
    Ingest,
    /// Applies them.
    Handler,
    /// Opens rounds.
    Scheduler,
    /// Answers reads, and feeds live pages.
    Fetch,
    /// Sends pushes.
    Push,
    /// A command that does one thing and ends.
    Tool,
}

impl Role {
    /// Whether this process has the part that `part` names.
    pub fn has(self, part: Self) -> bool {
        self == part || matches!(self, Self::Dev | Self::All) && part != Self::Tool
    }
}

/// Where pushes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushSink {
    /// Into the log.
    Log,
    /// Into a file of JSON lines, for tests.
    Record,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Everything that can be configured, parsed and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What this process runs.
    pub role: Role,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The folder of the embedded files.
    pub data: PathBuf,
    /// The file of the embedded inbox.
    pub queue_path: PathBuf,
    /// The file of the embedded store.
    pub store_path: PathBuf,
    /// Number of partitions.
    pub partitions: u16,
    /// How rounds follow one another.
    pub cadence: Cadence,
    /// How long before its opening a round is announced at the latest.
    pub round_lead_ms: i64,
    /// When set, how soon after the start a round opens.
    pub first_round_ms: Option<i64>,
    /// The operators' token; without one, /admin is off.
    pub operator_token: Option<String>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// How long a handler has a partition to itself.
    pub visibility_ms: i64,
    /// Most bytes of one message.
    pub envelope_bytes_max: usize,
    /// Most bytes of the embedded inbox's file.
    pub inbox_bytes_max: u64,
    /// Where pushes go.
    pub push_sink: PushSink,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// What was said, for `config` to show.
    values: BTreeMap<&'static str, Option<String>>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Default, thiserror::Error)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} mistake(s):", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// The value of an environment variable, if it is set to text.
pub fn environment(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    std::env::var(variable).ok()
}

impl Config {
    /// Parses the configuration of a role. `given` is asked for each setting: what a flag says, or else the
    /// environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake, by the name of its variable.
    pub fn parse(role: Role, given: impl Fn(&Setting) -> Option<String>) -> Result<Self, ConfigErrors> {
        let dev = role == Role::Dev;
        let value =
            |setting: &Setting| given(setting).or_else(|| setting.default_for(dev).map(str::to_owned));
        let values = SETTINGS.iter().map(|setting| (setting.name, value(setting))).collect();
        let mut parser = Parser { values: &values, errors: Vec::new() };
        let config = parser.config(role);
        match config {
            Some(config) if parser.errors.is_empty() => Ok(Self { values, ..config }),
            _ => Err(ConfigErrors(parser.errors)),
        }
    }

    /// A table of every setting with its value, default, unit and meaning; secrets are masked.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for setting in SETTINGS {
            let value = match self.values.get(setting.name).and_then(Option::as_deref) {
                Some(_) if setting.secret => "********",
                Some(value) => &without_password(value),
                None => "(none)",
            };
            let default = match setting.default_for(self.role == Role::Dev) {
                Some(_) if setting.secret => "********",
                default => default.unwrap_or("(none)"),
            };
            let (variable, unit, meaning) = (setting.variable(), setting.unit, setting.meaning);
            // Writing to a string cannot fail.
            let _ =
                writeln!(table, "{variable} = {value}\n    {meaning}\n    unit: {unit}; default: {default}");
        }
        table
    }
}

/// The value with the user's part of a URL, which may hold a password, masked.
fn without_password(value: &str) -> String {
    match value.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://********@{rest}"),
        None => value.to_owned(),
    }
}

/// Names in the environment that begin like a setting's and are none: mostly misspelt.
pub fn unknown_variables() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = |name: &String| {
        name.starts_with("BUTTONPARTY_") && SETTINGS.iter().all(|setting| setting.variable() != *name)
    };
    names.filter(unknown).collect()
}

impl ConfigErrors {
    /// Adds variables that are no settings.
    #[must_use]
    pub fn with_unknown(mut self, names: &[String]) -> Self {
        self.0.extend(names.iter().map(|name| format!("{name}: there is no such setting")));
        self
    }
}

struct Parser<'a> {
    values: &'a BTreeMap<&'static str, Option<String>>,
    errors: Vec<String>,
}

impl Parser<'_> {
    fn config(&mut self, role: Role) -> Option<Config> {
        let data = match self.text("DATA")? {
            empty if empty.is_empty() => self.wrong("DATA", "must be a folder")?,
            folder => PathBuf::from(folder),
        };
        let listen = self.parsed("LISTEN", "must be an address and a port, such as 127.0.0.1:8080");
        let queue_path = self.file("QUEUE_URL", data.join("inbox.sqlite"));
        let store_path = self.file("STORE_URL", data.join("game.sqlite"));
        self.only("BOARD_URL", "in process", "ranks are only kept in process in this version");
        self.auth(role);
        let partitions = self.within("PARTITIONS", 1, i64::from(game::bounds::PARTITIONS_MAX));
        let cadence = self.cadence();
        let round_lead_ms = self.within("ROUND_LEAD_MS", LEAD_MS_MIN, LEAD_MS_MAX);
        let first_round_ms = self.optional("FIRST_ROUND_MS", |parser| {
            parser.within("FIRST_ROUND_MS", 0, game::bounds::WINDOW_MS_MAX)
        });
        let operator_token = self.optional("OPERATOR_TOKEN", |parser| parser.token());
        let cors_origins = self.origins();
        let visibility_ms = self.within("VISIBILITY_MS", 1_000, 43_200_000);
        let envelope_bytes_max = self.within("ENVELOPE_BYTES_MAX", 32_768, 262_144);
        let inbox_bytes_max = self.within("INBOX_BYTES_MAX", 1 << 20, 1 << 44);
        let push_sink = self.choice("PUSH_SINK", &[("log", PushSink::Log), ("record", PushSink::Record)]);
        let log = self.text("LOG").and_then(|filter| match EnvFilter::try_new(&filter) {
            Ok(_) => Some(filter),
            Err(error) => self.wrong("LOG", error),
        });
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        let log_format = self.choice("LOG_FORMAT", &formats);
        Some(Config {
            role,
            listen: listen?,
            data,
            queue_path: queue_path?,
            store_path: store_path?,
            partitions: u16::try_from(partitions?).ok()?,
            cadence: cadence?,
            round_lead_ms: round_lead_ms?,
            first_round_ms: first_round_ms?,
            operator_token: operator_token?,
            cors_origins: cors_origins?,
            visibility_ms: visibility_ms?,
            envelope_bytes_max: usize::try_from(envelope_bytes_max?).ok()?,
            inbox_bytes_max: u64::try_from(inbox_bytes_max?).ok()?,
            push_sink: push_sink?,
            log: log?,
            log_format: log_format?,
            values: BTreeMap::new(),
        })
    }

    fn wrong<T>(&mut self, name: &str, reason: impl fmt::Display) -> Option<T> {
        let shown = match self.values.get(name).and_then(Option::as_deref) {
            Some(_) if SETTINGS.iter().any(|setting| setting.name == name && setting.secret) => {
                "=********".to_owned()
            }
            Some(value) => format!("={}", without_password(value)),
            None => String::new(),
        };
        self.errors.push(format!("BUTTONPARTY_{name}{shown}: {reason}"));
        None
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.values.get(name).cloned().flatten() {
            Some(value) => Some(value),
            None => self.wrong(name, "must be set"),
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &str, reason: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| self.wrong(name, reason))
    }

    fn within(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let reason = format!("must be a whole number from {min} to {max}");
        let value: i64 = self.parsed(name, &reason)?;
        if (min..=max).contains(&value) { Some(value) } else { self.wrong(name, reason) }
    }

    /// `Some(None)`: not set; `None`: set, but wrong.
    fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.values.get(name).and_then(Option::as_deref) {
            None | Some("") => Some(None),
            Some(_) => parse(self).map(Some),
        }
    }

    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        let all = choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>().join(" or ");
        found.or_else(|| self.wrong(name, format!("must be {all}")))
    }

    fn only(&mut self, name: &str, allowed: &str, reason: &str) {
        if self.text(name).is_some_and(|text| text != allowed) {
            let _: Option<()> = self.wrong(name, format!("must be `{allowed}`: {reason}"));
        }
    }

    fn file(&mut self, name: &str, embedded: PathBuf) -> Option<PathBuf> {
        let text = self.text(name)?;
        match text.strip_prefix("sqlite:") {
            _ if text == "embedded" => Some(embedded),
            Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
            _ => self
                .wrong(name, "must be `embedded` or `sqlite:PATH`: other backends are not in this version"),
        }
    }

    fn auth(&mut self, role: Role) {
        match self.values.get("AUTH").and_then(Option::as_deref) {
            Some("open") => {}
            None | Some("") if !role.has(Role::Ingest) => {}
            None | Some("") => {
                let _: Option<()> =
                    self.wrong("AUTH", "must be chosen: `open` lets everybody play under any name");
            }
            Some("firebase" | "google") => {
                let _: Option<()> = self.wrong("AUTH", "must be `open`: signing in is not in this version");
            }
            Some(_) => {
                let _: Option<()> = self.wrong("AUTH", "must be `open`");
            }
        }
    }

    fn cadence(&mut self) -> Option<Cadence> {
        let longest = game::bounds::WINDOW_MS_MAX;
        let window_ms = self.within("WINDOW_MS", 1, longest);
        let grace_ms = self.within("GRACE_MS", 0, longest);
        let gap_ms = self.within("ROUND_GAP_MS", 1, 366 * longest);
        let odds = self.within("ROUND_ODDS", 0, i64::from(u32::MAX));
        let cadence = Cadence {
            window_ms: window_ms?,
            grace_ms: grace_ms?,
            gap_ms: gap_ms?,
            odds: u32::try_from(odds?).ok()?,
        };
        match cadence.check() {
            Ok(()) => Some(cadence),
            Err(overlap) => self.wrong("ROUND_GAP_MS", overlap),
        }
    }

    fn token(&mut self) -> Option<String> {
        let text = self.text("OPERATOR_TOKEN")?;
        if text.bytes().all(|byte| byte.is_ascii_graphic()) && text.len() <= 256 {
            Some(text)
        } else {
            self.wrong("OPERATOR_TOKEN", "must be 1 to 256 visible ASCII characters")
        }
    }

    fn origins(&mut self) -> Option<Vec<String>> {
        let text = self.values.get("CORS_ORIGINS").cloned().flatten().unwrap_or_default();
        let origins: Vec<_> = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
        let is_origin = |origin: &&str| {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            rest.is_some_and(|host| {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
            })
        };
        match origins.iter().find(|origin| !is_origin(origin)) {
            None => Some(origins.into_iter().map(str::to_owned).collect()),
            Some(_) => self
                .wrong("CORS_ORIGINS", "each must be an origin such as https://game.example, without a path"),
        }
    }
}
