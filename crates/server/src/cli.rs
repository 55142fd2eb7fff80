//! The command line: roles and tools as subcommands, settings as flags.

mod show;

use std::io::Write;
use std::pin::pin;

use clap::{Arg, ArgAction, ArgMatches, Command};
use engine::clock::Clock;
use engine::dlq;
use futures_util::TryStreamExt as _;
use queue::Queue;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::button::Button;
use crate::config::{Config, ConfigErrors, Role, SETTINGS, Setting, environment, unknown_variables};
use crate::node::{
    Node, NodeError, check_age, migrated_store, open_existing_ledger, open_existing_queue,
    open_existing_reader, open_queue,
};
use crate::repartition::{RepartitionError, repartition};
use crate::roles::Announcer;
use crate::scheduler::OpenError;
use crate::telemetry::Output;
use crate::{telemetry, verify};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The process could not start or go on.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Dead letters.
    #[error("dead letters")]
    Dlq(#[from] dlq::DlqError),
    /// `verify` could not compare.
    #[error("cannot verify")]
    Verify(#[from] verify::VerifyError),
    /// `verify` found differences.
    #[error("the store is not what its journal says")]
    Different,
    /// The number of partitions was not changed.
    #[error("the number of partitions was not changed")]
    Repartition(#[from] RepartitionError),
    /// A round could not be opened.
    #[error("cannot open a round")]
    Open(#[from] OpenError),
    /// Something about the process itself.
    #[error("{0}")]
    Process(String),
}

const ROLES: [(&str, Role, &str); 7] = [
    (
        "dev",
        Role::Dev,
        "Everything in one process, with defaults for trying it out (this is what runs without a command)",
    ),
    ("all", Role::All, "Everything in one process, with production defaults"),
    ("ingest", Role::Ingest, "Only what takes players' commands"),
    ("handler", Role::Handler, "Only what applies them"),
    ("scheduler", Role::Scheduler, "Only what opens rounds"),
    ("fetch", Role::Fetch, "Only what answers reads, live events and the page"),
    ("push", Role::Push, "Only what sends pushes"),
];

/// The command line's grammar.
pub fn command() -> Command {
    let with_settings = |command: Command| {
        SETTINGS.iter().fold(command, |command, setting| {
            let default = setting.default.unwrap_or("none");
            let dev = setting
                .dev
                .filter(|_| !setting.secret)
                .map(|dev| format!("; in dev: {dev}"))
                .unwrap_or_default();
            let help = format!(
                "{} [{}; default: {default}{dev}; or {}]",
                setting.meaning,
                setting.unit,
                setting.variable()
            );
            command
                .arg(Arg::new(setting.name).long(setting.flag()).value_name("VALUE").help(help).global(true))
        })
    };
    let role = |(name, _, about): (&'static str, Role, &'static str)| Command::new(name).about(about);
    let adopt = Arg::new("adopt-inbox").long("adopt-inbox").action(ArgAction::SetTrue);
    let ids = Arg::new("ids").num_args(0..).help("Ids of dead letters; without any, all of them");
    let lead = Arg::new("lead-ms").long("lead-ms").value_name("MS").help("How long from now it opens");
    // One before now is told what it may be, as over HTTP.
    let lead = lead.value_parser(|text: &str| {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        wire::digits::<i64>(digits).map(|ms| sign * ms).ok_or("must be a whole number")
    });
    let dev = Arg::new("dev")
        .long("dev")
        .action(ArgAction::SetTrue)
        .help("With the defaults of `dev`, not of `all`");
    let tools = [
        Command::new("migrate").about("Bring the store up to date; safe to run twice").arg(
            adopt.help("Go on with an inbox that the store does not know: it begins with nothing applied"),
        ),
        Command::new("dlq").about("Dead letters").subcommand_required(true).subcommands([
            Command::new("list").about("Show them, one line of JSON each"),
            Command::new("redrive").about("Send them again").arg(ids),
        ]),
        Command::new("round")
            .about("Rounds")
            .subcommand_required(true)
            .subcommand(Command::new("open").about("Announce a round").arg(lead).arg(dev)),
        Command::new("repartition").about(
            "Give the game as many partitions as the setting says, while nothing of it runs and everything is \
             applied; with PostgreSQL, as the owner of the database",
        ),
        Command::new("verify").about("Replay the journal and compare with the store"),
        Command::new("config").about("Show every setting with its value").arg(
            Arg::new("role").value_parser(["all", "dev"]).default_value("all").help("Whose defaults to show"),
        ),
        Command::new("openapi").about("Print the description of the API"),
    ];
    let root = Command::new("buttonparty")
        .about("Calls a crowd, and settles every answer exactly once")
        .after_help("Settings come from flags or from the environment; a flag wins.");
    with_settings(root).subcommands(ROLES.map(role)).subcommands(tools)
}

/// Runs what the command line asks for.
///
/// # Errors
/// [`CliError`], to be shown.
pub async fn run(matches: ArgMatches) -> Result<(), CliError> {
    let (name, sub) = matches.subcommand().unwrap_or(("dev", &matches));
    // Settings may stand before or after any subcommand; the innermost knows all of them.
    let innermost =
        std::iter::successors(Some(&matches), |outer| outer.subcommand().map(|(_, inner)| inner)).last();
    let innermost = innermost.unwrap_or(&matches);
    let given = |setting: &Setting| {
        innermost.get_one::<String>(setting.name).cloned().or_else(|| environment(&setting.variable()))
    };
    if let Some((_, role, _)) = ROLES.into_iter().find(|(role, _, _)| *role == name) {
        return serve(&configured(role, given)?).await;
    }
    if name == "config" {
        let dev = sub.get_one::<String>("role").is_some_and(|role| role == "dev");
        let config = configured(if dev { Role::Dev } else { Role::Tool }, given)?;
        return print(&config.table());
    }
    // A round that is opened by hand in a game that runs as `dev` must be one of that game's.
    let dev = sub.subcommand().is_some_and(|(name, open)| name == "open" && open.get_flag("dev"));
    let config = configured(if dev { Role::Dev } else { Role::Tool }, given)?;
    logs(&config)?;
    tool(name, sub, &config).await
}

/// The configuration, with every mistake reported at once: misspelt variables too.
fn configured(role: Role, given: impl Fn(&Setting) -> Option<String>) -> Result<Config, ConfigErrors> {
    let unknown = unknown_variables();
    match Config::parse(role, given) {
        Ok(config) if unknown.is_empty() => Ok(config),
        Ok(_) => Err(ConfigErrors::default().with_unknown(&unknown)),
        Err(errors) => Err(errors.with_unknown(&unknown)),
    }
}

async fn tool(name: &str, sub: &ArgMatches, config: &Config) -> Result<(), CliError> {
    let clock = Clock::System;
    match (name, sub.subcommand()) {
        ("migrate", _) => migrate(config, &clock, sub.get_flag("adopt-inbox")).await,
        ("dlq", Some(("list", _))) => {
            let queue = open_existing_queue(config, &clock).await?;
            list_dead_letters(&queue).await?;
            queue.close().await;
            Ok(())
        }
        ("dlq", Some(("redrive", sub))) => {
            let queue = open_existing_queue(config, &clock).await?;
            let ids: Vec<_> = sub.get_many::<String>("ids").into_iter().flatten().cloned().collect();
            let partitions = partitions_of_game(config).await?;
            let total = dlq::redrive(&queue, &Button::offline(), partitions, &ids).await?;
            queue.close().await;
            print(&format!("{total} dead letter(s) sent again\n"))
        }
        ("round", Some(("open", sub))) => {
            open_round(config, clock, sub.get_one::<i64>("lead-ms").copied()).await
        }
        ("repartition", _) => change_partitions(config, &clock).await,
        ("verify", _) => {
            let reader = open_existing_reader(config).await?;
            let report = verify::verify(&reader).await?;
            print(&show::report(&report))?;
            if report.is_equal() { Ok(()) } else { Err(CliError::Different) }
        }
        ("openapi", _) => {
            print(&crate::openapi::text().map_err(|error| CliError::Process(error.to_string()))?)
        }
        _ => Err(CliError::Process(format!("no such command: {name}"))),
    }
}

async fn list_dead_letters(queue: &Queue) -> Result<(), CliError> {
    let mut letters = pin!(dlq::list(queue));
    let mut total = 0;
    while let Some(letter) = letters.try_next().await.map_err(dlq::DlqError::from)? {
        print(&show::dead_letter(&letter))?;
        total += 1;
    }
    telemetry::say(&format!("{total} dead letter(s)"));
    Ok(())
}

/// The number of partitions that the game was begun with: a message that counts with another would stop the handler.
async fn partitions_of_game(config: &Config) -> Result<u16, CliError> {
    let reader = open_existing_reader(config).await?;
    let identity = reader.identity().await.map_err(NodeError::from)?;
    reader.close().await;
    Ok(identity.map_or(config.partitions, |identity| identity.partitions))
}

/// Brings the store up to date. In a game of several processes this is also where it is decided what the game belongs
/// to, and where the database's roles come from.
async fn migrate(config: &Config, clock: &Clock, adopt: bool) -> Result<(), CliError> {
    let store = migrated_store(config).await?;
    if !config.store.is_embedded() {
        store.grant_roles(&config.role_passwords).await.map_err(NodeError::from)?;
    }
    if adopt || !config.queue.is_embedded() {
        let queue = open_queue(config, clock).await?;
        let ledger = store.ledger().await.map_err(NodeError::from)?;
        let (inbox_id, now_ms) = (queue.inbox_id(), clock.now_ms());
        let identity = if adopt {
            ledger.adopt_inbox(inbox_id, now_ms).await
        } else {
            ledger.settle_identity(inbox_id, config.partitions, now_ms).await
        };
        let store::Identity { generation, inbox_id, partitions } = identity.map_err(NodeError::from)?;
        // One that the store knows is not adopted anew: an older copy of it stays refused.
        check_age(&store.reader().await.map_err(NodeError::from)?, &queue).await?;
        ledger.close().await;
        queue.close().await;
        print(&format!(
            "inbox {inbox_id} is number {generation} of this game, with {partitions} partitions\n"
        ))?;
    }
    print("the store is up to date\n")
}

async fn change_partitions(config: &Config, clock: &Clock) -> Result<(), CliError> {
    let reader = open_existing_reader(config).await?;
    let known = reader.identity().await.map_err(NodeError::from)?.ok_or(NodeError::Unsettled)?;
    let queue = open_existing_queue(config, clock).await?;
    check_age(&reader, &queue).await?;
    reader.close().await;
    let ledger = open_existing_ledger(config).await?;
    let changed = repartition(&queue, &ledger, config.partitions, clock.now_ms()).await?;
    ledger.close().await;
    queue.close().await;
    print(&format!("the game has {} partitions now, it had {}\n", changed.partitions, known.partitions))
}

async fn open_round(config: &Config, clock: Clock, lead_ms: Option<i64>) -> Result<(), CliError> {
    let announcer = Announcer::open(config, clock).await?;
    let round = announcer.scheduler.open_now(lead_ms.unwrap_or(config.round_lead_ms)).await?;
    announcer.close().await;
    let game::Round { id, opens_at_ms, window_ms, grace_ms } = round;
    print(&format!("round {id} opens at {opens_at_ms}, for {window_ms} ms and {grace_ms} ms of grace\n"))
}

fn print(text: &str) -> Result<(), CliError> {
    let mut out = Output::new();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::Process(error.to_string()))
}

fn logs(config: &Config) -> Result<(), CliError> {
    telemetry::init_logs(&config.log, config.log_format).map_err(|error| CliError::Process(error.to_string()))
}

/// Runs a role until a signal asks it to stop; a second one ends it at once.
async fn serve(config: &Config) -> Result<(), CliError> {
    logs(config)?;
    let metrics = telemetry::init_metrics().map_err(|error| CliError::Process(error.to_string()))?;
    let signal = signals()?;
    let started = Box::pin(Node::start(config, Some(metrics), Clock::System)); // it is large
    // It may wait for a server for long: also then it stops when it is asked to.
    let Some(node) = signal.run_until_cancelled(started).await else { return Ok(()) };
    let node = node?;
    if let Err(error) = print(&format!("ButtonParty is listening on http://{}\n", node.address)) {
        warn!(%error, "cannot say on standard output where it listens");
    }
    Ok(node.run(signal.cancelled_owned()).await?)
}

/// The number of the signal "file size limit exceeded".
const SIGXFSZ: i32 = 25;

fn signals() -> Result<CancellationToken, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let wrong = |error: std::io::Error| CliError::Process(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    // Who listens is not killed: a write beyond the limit of a file's size fails, as on a full disk.
    drop(signal(SignalKind::from_raw(SIGXFSZ)).map_err(wrong)?);
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        next().await;
        asked.cancel();
        next().await;
        // Asked twice: whoever asks does not want to wait. Nothing that was acked is lost by this.
        telemetry::flush();
        std::process::exit(130);
    });
    Ok(stop)
}
