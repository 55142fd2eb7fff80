//! The configuration: parsed once, from flags and the environment; every mistake is reported, by name, at once.
//! Nothing else reads the environment.

mod http;
mod inbox;
mod output;
mod rounds;
mod store;

use std::fmt;

pub use http::HttpSettings;
pub use inbox::{InboxSettings, QueueAddress};
pub use output::{LogFormat, LogSettings, PushSettings, PushSink};
pub use rounds::RoundsSettings;
pub use settings::{BoardAddress, ConfigErrors, Role, Setting, StoreAddress};
use settings::{SettingsReader, Values};
pub use store::{FilesSettings, RanksSettings, StoreSettings};

/// Every group of settings, in the order in which they are shown. A further kind of game adds its group here, under the
/// condition that the kind is on.
const GROUPS: [&[Setting]; 8] = [
    HttpSettings::SETTINGS,
    FilesSettings::SETTINGS,
    InboxSettings::SETTINGS,
    StoreSettings::SETTINGS,
    RanksSettings::SETTINGS,
    RoundsSettings::SETTINGS,
    PushSettings::SETTINGS,
    LogSettings::SETTINGS,
];

/// Every setting, in the order in which they are shown.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.into_iter().flatten()
}

/// Everything that can be configured, parsed and checked.
#[derive(Clone)]
pub struct Config {
    /// The command of this process.
    pub role: Role,
    pub http: HttpSettings,
    pub files: FilesSettings,
    pub inbox: InboxSettings,
    pub store: StoreSettings,
    pub ranks: RanksSettings,
    pub rounds: RoundsSettings,
    pub push: PushSettings,
    pub log: LogSettings,
    /// The texts, for `config` to show.
    values: Values,
}

impl Config {
    /// Parses the configuration of a role. `given` is asked for each setting: the flag, or else the environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake, by the name of its variable.
    pub fn parse(role: Role, given: impl Fn(&Setting) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = SettingsReader::new(role, settings(), given);
        // All groups are read before any error is returned, so that all errors are reported.
        let http = HttpSettings::collect(&mut reader);
        let files = FilesSettings::collect(&mut reader);
        let inbox = InboxSettings::collect(&mut reader);
        let store = StoreSettings::parse(&mut reader);
        let ranks = RanksSettings::collect(&mut reader);
        let rounds = RoundsSettings::parse(&mut reader);
        let push = PushSettings::collect(&mut reader);
        let log = LogSettings::collect(&mut reader);
        reader.finish(|values| {
            Ok(Self {
                role,
                http: http?,
                files: files?,
                inbox: inbox?,
                store: store?,
                ranks: ranks?,
                rounds: rounds?,
                push: push?,
                log: log?,
                values,
            })
        })
    }

    /// A table of every setting with its value, default, unit and meaning; secrets are masked.
    pub fn table(&self) -> String {
        self.values.table()
    }
}

impl fmt::Debug for Config {
    /// The table that `config` shows, in which secrets are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{}", self.role, self.table())
    }
}

/// The text of `docs/settings.md`: the settings of the server, and of the Lambda function.
pub fn document() -> String {
    format!(
        "# Settings\n\n\
         <!-- Made by `cargo run -q -p server -- config --markdown > docs/settings.md`; do not edit. -->\n\n\
         A setting is an environment variable or a flag: `BUTTONPARTY_ROUND_GAP_MS` or `--round-gap-ms`; the flag wins. \
         `buttonparty config` shows each one with its value, and all mistakes are reported at once, by name. The default \
         of `dev` is given where it differs.\n\n\
         ## The server\n\n\
         \"Roles\" are those that use a setting; `dev` and `all` have every role, and `tools` are the commands that do one \
         thing and end.\n\n\
         {}\n\
         ## The Lambda function\n\n\
         It serves the reads (`fetch`), takes its settings from environment variables only, and uses all of them. AWS \
         Lambda sets the region and the keys itself.\n\n\
         {}",
        settings::markdown(settings()),
        settings::markdown(fetch::lambda::Settings::SETTINGS)
    )
}

/// The value of an environment variable, if it is set to text.
pub fn environment(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    std::env::var(variable).ok()
}

/// Variables that begin like a setting's and are none: most are misspelt.
pub fn unknown_variables() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let is_unknown = |name: &String| {
        name.starts_with("BUTTONPARTY_") && settings().all(|setting| setting.variable() != *name)
    };
    names.filter(is_unknown).collect()
}
