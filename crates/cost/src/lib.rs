//! Cost of a deployment on AWS: a model of list prices, assumptions about the game, and optionally the counters
//! of a running game.
//!
//! The result is an estimate, not a bill. Every price names its source, every formula what it is based on. The model
//! compares two designs: presses packed into envelopes, as this project does, and one message per press.

pub mod counters;
pub mod deployed;
pub mod inputs;
pub mod packing;
pub mod presses;
pub mod prices;
pub mod report;
pub mod standing;

use clap::{Arg, ArgAction, ArgMatches, Command};
use counters::{Counters, MetricsError};
use game::bounds::PARTITIONS_MAX;
use inputs::{FLAGS, Flag, Inputs};
use prices::Prices;
use report::Report;

/// Hours per month, as AWS bills them.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// The file of prices could not be read.
    #[error("--prices {file}")]
    File { file: String, source: std::io::Error },
    /// The file does not hold the prices.
    #[error("--prices {file}")]
    Prices { file: String, source: serde_json::Error },
    /// The counters could not be read.
    #[error("--metrics {place}")]
    Metrics { place: String, source: MetricsError },
    /// The counters are all 0.
    #[error("--metrics: these processes have not accepted a press yet")]
    NoPresses,
    #[error("cannot write the result as JSON")]
    Json(#[from] serde_json::Error),
}

/// The command and its flags.
pub fn command() -> Command {
    let flag = |flag: &'static Flag| {
        let help = format!("{} [{}; default: {}]", flag.meaning, flag.unit, flag.default());
        let arg = Arg::new(flag.name).long(flag.name).value_name("NUMBER").help(help);
        arg.allow_negative_numbers(true).value_parser(|text: &str| flag.parse(text))
    };
    let partitions = Arg::new("partitions")
        .long("partitions")
        .value_name("NUMBER")
        .value_parser(partition_count)
        .help("partitions of the inbox [count; default: 16]");
    Command::new("cost")
        .about(
            "Estimates what a deployment on AWS costs: idle, per million presses, and where it breaks even",
        )
        .next_help_heading("Inputs")
        .args(FLAGS.iter().map(flag))
        .arg(partitions)
        .arg(Arg::new("tls").long("tls").action(ArgAction::SetTrue).help(
            "The load balancer terminates TLS, and every press is a new connection with a full handshake",
        ))
        .arg(
            Arg::new("prices")
                .long("prices")
                .value_name("FILE")
                .help("Use these prices: JSON with the fields of crates/cost/src/prices.json"),
        )
        .arg(
            Arg::new("metrics")
                .long("metrics")
                .value_name("URL or FILE")
                .num_args(1..)
                .action(ArgAction::Append)
                .help("Use the counters of a running game instead of assumptions: /metrics of its processes"),
        )
        .next_help_heading("Output")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"))
}

/// Runs the command and returns what it prints.
///
/// # Errors
/// [`CostError`], with the name of the flag.
pub async fn run(matches: &ArgMatches) -> Result<String, CostError> {
    let mut inputs = inputs(matches);
    let prices = match matches.get_one::<String>("prices") {
        None => {
            Prices::embedded().map_err(|source| CostError::Prices { file: "embedded".to_owned(), source })?
        }
        Some(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|source| CostError::File { file: file.clone(), source })?;
            Prices::parse(&text).map_err(|source| CostError::Prices { file: file.clone(), source })?
        }
    };
    let counters = counters(matches).await?;
    if let Some(bytes) = counters.as_ref().and_then(Counters::bytes_per_command) {
        inputs.press_bytes = bytes;
    }
    let report = Report::new(&inputs, &prices, counters.as_ref());
    if matches.get_flag("json") {
        return Ok(serde_json::to_string_pretty(&report)? + "\n");
    }
    Ok(report.text())
}

/// Parses `--partitions`: digits only, where `str::parse` would accept a sign.
fn partition_count(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let count = count.filter(|count| (1..=PARTITIONS_MAX).contains(count));
    count.ok_or_else(|| format!("must be a whole number from 1 to {PARTITIONS_MAX}"))
}

fn inputs(matches: &ArgMatches) -> Inputs {
    let mut inputs = Inputs { tls: matches.get_flag("tls"), ..Inputs::default() };
    for flag in FLAGS {
        if let Some(value) = matches.get_one::<f64>(flag.name) {
            *(flag.field)(&mut inputs) = *value;
        }
    }
    if let Some(count) = matches.get_one::<u16>("partitions") {
        inputs.partitions = f64::from(*count);
    }
    inputs
}

/// The counters of the processes that `--metrics` names; `None` without the flag.
async fn counters(matches: &ArgMatches) -> Result<Option<Counters>, CostError> {
    let Some(places) = matches.get_many::<String>("metrics") else { return Ok(None) };
    let mut counters = Counters::default();
    for place in places {
        let read = counters.read(place).await;
        read.map_err(|source| CostError::Metrics { place: place.clone(), source })?;
    }
    if counters.presses <= 0.0 || counters.sends <= 0.0 {
        return Err(CostError::NoPresses);
    }
    Ok(Some(counters))
}
