//! The configuration: parsed once, from flags and the environment; every mistake is reported, by name, at once.
//! Nothing else reads the environment.

mod address;
mod parser;
mod settings;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

pub use address::{BoardAddress, QueueAddress, StoreAddress};
use game::schedule::Cadence;
use parser::Parser;
use serve::Auth;
pub use settings::{SETTINGS, Setting};

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
    /// The roles of `dev` and `all`, in the order in which they are opened. Each can also run alone.
    pub const EVERY: [Self; 5] = [Self::Handler, Self::Ingest, Self::Scheduler, Self::Fetch, Self::Push];

    /// The roles that a process has.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::Dev | Self::All => &Self::EVERY,
            Self::Tool => &[],
            one => std::slice::from_ref(one),
        }
    }

    /// Whether a process has this role.
    pub fn has(self, role: Self) -> bool {
        self.list().contains(&role)
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
#[derive(Clone)]
pub struct Config {
    /// What this process runs.
    pub role: Role,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The folder of the embedded files.
    pub data: PathBuf,
    /// Where the inbox is.
    pub queue: QueueAddress,
    /// Where the store is.
    pub store: StoreAddress,
    /// Where ranks are kept.
    pub board: BoardAddress,
    /// Passwords of the database's roles, for `migrate` to set.
    pub role_passwords: store::RolePasswords,
    /// Number of partitions.
    pub partitions: u16,
    /// How rounds follow one another.
    pub cadence: Cadence,
    /// How long before its opening a round is announced at the latest.
    pub round_lead_ms: i64,
    /// When set, how soon after the start a round opens.
    pub first_round_ms: Option<i64>,
    /// How players sign in.
    pub auth: Auth,
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

impl fmt::Debug for Config {
    /// The table that `config` shows, in which secrets are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}", self.role, self.table())
    }
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
    let (address, query) = value.split_once('?').unwrap_or((value, ""));
    let query = if query.contains("password") { "?********" } else { &value[address.len()..] };
    match address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://********@{rest}{query}"),
        None => format!("{address}{query}"),
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
