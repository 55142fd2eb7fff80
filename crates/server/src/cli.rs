//! The command line: roles and tools as subcommands, settings as flags.

mod serve;
mod show;
mod tools;

use std::io::Write;

use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use engine::dlq;

use crate::config::{
    Config, ConfigErrors, Role, Setting, document, environment, settings, unknown_variables,
};
use crate::node::NodeError;
use crate::repartition::RepartitionError;
use crate::scheduler::OpenError;
use crate::telemetry::Output;
use crate::{openapi, telemetry, verify};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The process could not start, or could not continue.
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("cannot read or redrive dead letters")]
    Dlq(#[from] dlq::DlqError),
    #[error("cannot verify")]
    Verify(#[from] verify::VerifyError),
    #[error("the store differs from its journal")]
    Different,
    #[error("the number of partitions was not changed")]
    Repartition(#[from] RepartitionError),
    #[error("cannot open a round")]
    Open(#[from] OpenError),
    /// The process itself: its output, signals, logs or threads.
    #[error("{0}")]
    Process(String),
}

/// Calls a crowd, and settles every answer exactly once
#[derive(Parser)]
#[command(
    name = "buttonparty",
    after_help = "Settings come from flags or from the environment; a flag overrides the environment."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Serve(Serve),
    #[command(flatten)]
    Tool(Tool),
    /// Show every setting with its value
    Config {
        /// Role whose defaults to show
        #[arg(default_value = "all")]
        role: Defaults,
        /// Print the table of docs/settings.md instead
        #[arg(long)]
        markdown: bool,
    },
    /// Print the OpenAPI description of the API
    Openapi,
}

#[derive(Clone, Copy, Subcommand)]
enum Serve {
    /// Run every role in one process, with defaults for trying it out (this is what runs without a command)
    Dev,
    /// Run every role in one process, with production defaults
    All,
    /// Run ingest: put players' commands into the inbox
    Ingest,
    /// Run the handler: apply queued commands to the store
    Handler,
    /// Run the scheduler: open rounds
    Scheduler,
    /// Run fetch: answer reads, and serve live events and the page
    Fetch,
    /// Run push: send push notifications
    Push,
}

#[derive(Subcommand)]
enum Tool {
    /// Migrate the store to this version; safe to run twice
    Migrate {
        /// Accept an inbox that the store does not know: it starts with nothing applied
        #[arg(long)]
        adopt_inbox: bool,
    },
    /// List or redrive dead letters
    #[command(subcommand)]
    Dlq(Dlq),
    /// Open rounds
    #[command(subcommand)]
    Round(Round),
    /// Change the number of partitions to that of the setting. Every role must be stopped and the inbox empty;
    /// PostgreSQL needs the owner's login
    Repartition,
    /// Replay the journal and compare the result with the store
    Verify,
}

#[derive(Subcommand)]
enum Dlq {
    /// Show dead letters, one line of JSON each
    List,
    /// Send dead letters to the inbox again
    Redrive {
        /// Ids of dead letters; all if none is given
        ids: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Round {
    /// Announce a round
    Open {
        /// Time from now to the opening, in milliseconds
        #[arg(long, value_name = "MS", value_parser = lead_ms)]
        lead_ms: Option<i64>,
        /// Use the defaults of `dev`, not of `all`
        #[arg(long)]
        dev: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Defaults {
    All,
    Dev,
}

impl Command {
    /// The role whose defaults the command uses.
    fn role(&self) -> Role {
        match self {
            Self::Serve(Serve::Dev) | Self::Config { role: Defaults::Dev, .. } => Role::Dev,
            Self::Serve(Serve::All) => Role::All,
            Self::Serve(Serve::Ingest) => Role::Ingest,
            Self::Serve(Serve::Handler) => Role::Handler,
            Self::Serve(Serve::Scheduler) => Role::Scheduler,
            Self::Serve(Serve::Fetch) => Role::Fetch,
            Self::Serve(Serve::Push) => Role::Push,
            // A round opened by hand in a `dev` game must use that game's settings.
            Self::Tool(Tool::Round(Round::Open { dev: true, .. })) => Role::Dev,
            Self::Tool(_) | Self::Config { .. } | Self::Openapi => Role::Tool,
        }
    }
}

/// Any whole number. The scheduler checks the range, as it does for HTTP.
fn lead_ms(text: &str) -> Result<i64, &'static str> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    wire::digits::<i64>(digits).map(|ms| sign * ms).ok_or("must be a whole number")
}

/// The command line's grammar.
pub fn command() -> clap::Command {
    Cli::command().args(settings().map(flag))
}

/// The flag of a setting, which may be before or after any subcommand.
fn flag(setting: &'static Setting) -> Arg {
    let (shape, meaning, variable) = (setting.shape(), setting.meaning, setting.variable());
    let default = setting.default.unwrap_or("none");
    let dev = setting.dev.filter(|_| !setting.secret);
    let dev = dev.map(|dev| format!("; in dev: {dev}")).unwrap_or_default();
    let help = format!("{meaning} [{shape}; default: {default}{dev}; or {variable}]");
    Arg::new(setting.name).long(setting.flag()).value_name("VALUE").help(help).global(true)
}

/// Runs what the command line asks for.
///
/// # Errors
/// [`CliError`], to be shown.
pub async fn run(matches: ArgMatches) -> Result<(), CliError> {
    let command = Cli::from_arg_matches(&matches)?.command.unwrap_or(Command::Serve(Serve::Dev));
    let config = configured(command.role(), &matches)?;
    match command {
        Command::Serve(_) => serve::serve(&config).await,
        Command::Tool(tool) => tools::run(tool, &config).await,
        Command::Config { markdown: true, .. } => print(&document()),
        Command::Config { .. } => print(&config.table()),
        Command::Openapi => print(&openapi::text().map_err(|error| CliError::Process(error.to_string()))?),
    }
}

/// The configuration. All errors are reported at once, unknown variables included.
fn configured(role: Role, matches: &ArgMatches) -> Result<Config, ConfigErrors> {
    // The innermost subcommand has the flags of all levels.
    let innermost =
        std::iter::successors(Some(matches), |outer| outer.subcommand().map(|(_, inner)| inner)).last();
    let flag = |setting: &Setting| innermost?.get_one::<String>(setting.name).cloned();
    let parsed = Config::parse(role, |setting| flag(setting).or_else(|| environment(&setting.variable())));
    let unknown = unknown_variables();
    match parsed {
        Ok(config) if unknown.is_empty() => Ok(config),
        Ok(_) => Err(ConfigErrors::default().with_unknown(&unknown)),
        Err(errors) => Err(errors.with_unknown(&unknown)),
    }
}

fn print(text: &str) -> Result<(), CliError> {
    let mut out = Output::new();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::Process(error.to_string()))
}

fn logs(config: &Config) -> Result<(), CliError> {
    let started = telemetry::init_logs(&config.log.filter, config.log.format);
    started.map_err(|error| CliError::Process(error.to_string()))
}
