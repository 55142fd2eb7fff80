//! `buttonparty cost`: what a deployment on AWS costs, from list prices, from what is assumed of the game, and, where
//! one runs, from what it has counted.
//!
//! It is arithmetic on list prices, not a bill. Every price says where it was read, every formula what it rests on. It
//! compares two ways of taking presses: packed, as this program does, and with one message for each press.

pub mod inputs;
pub mod metrics;
pub mod packing;
pub mod presses;
pub mod prices;
pub mod report;
pub mod standing;

use clap::{Arg, ArgAction, ArgMatches, Command};
use inputs::{FLAGS, Flag, Inputs};
use metrics::{Counters, MetricsError};
use prices::Prices;
use report::Report;

/// Hours of a month, as AWS counts them.
pub const HOURS_PER_MONTH: f64 = 730.0;

/// Why no cost can be told.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A file of prices that cannot be read.
    #[error("--prices {file}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that does not hold the prices.
    #[error("--prices {file}")]
    Prices {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Counters that cannot be read.
    #[error("--metrics {place}")]
    Metrics {
        /// The file or URL.
        place: String,
        /// What is wrong with it.
        source: MetricsError,
    },
    /// Counters that say nothing.
    #[error("--metrics: {0}")]
    Nothing(&'static str),
    /// The setting that this command shares with the game.
    #[error("--partitions {0}: must be a whole number from 1 to {max}", max = game::bounds::PARTITIONS_MAX)]
    Partitions(String),
    /// The result.
    #[error("cannot write the result")]
    Write(#[from] serde_json::Error),
}

/// The command and its flags.
pub fn command() -> Command {
    let flag = |flag: &'static Flag| {
        let help = format!("{} [{}; default: {}]", flag.meaning, flag.unit, flag.default());
        let arg = Arg::new(flag.name).long(flag.name).value_name("NUMBER").help(help);
        arg.allow_negative_numbers(true).value_parser(|text: &str| flag.parse(text))
    };
    Command::new("cost")
        .about("What a deployment on AWS costs: idle, for a million presses, and from where on it is worth it")
        .after_help("With --partitions, as for the game: 16 unless it is given.")
        .next_help_heading("What it depends on")
        .args(FLAGS.iter().map(flag))
        .arg(
            Arg::new("tls")
                .long("tls")
                .action(ArgAction::SetTrue)
                .help("The load balancer ends TLS, and every press is a new connection with a full handshake"),
        )
        .arg(Arg::new("prices").long("prices").value_name("FILE").help(
            "Other prices, as JSON of the same fields: crates/server/src/cost/prices.json",
        ))
        .arg(
            Arg::new("metrics")
                .long("metrics")
                .value_name("URL or FILE")
                .num_args(1..)
                .action(ArgAction::Append)
                .help("What a game that runs has counted, in place of what is assumed: /metrics of its processes"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
}

/// Works out what the flags ask for, as text.
///
/// # Errors
/// [`CostError`], by the name of the flag.
pub async fn run(matches: &ArgMatches) -> Result<String, CostError> {
    let mut inputs = inputs(matches)?;
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

fn inputs(matches: &ArgMatches) -> Result<Inputs, CostError> {
    let mut inputs = Inputs { tls: matches.get_flag("tls"), ..Inputs::default() };
    for flag in FLAGS {
        if let Some(value) = matches.get_one::<f64>(flag.name) {
            *(flag.field)(&mut inputs) = *value;
        }
    }
    // A flag of every command, since it is a setting of the game; here its variable is not read.
    if let Some(text) = matches.get_one::<String>("PARTITIONS") {
        let count =
            wire::digits::<u16>(text).filter(|count| (1..=game::bounds::PARTITIONS_MAX).contains(count));
        inputs.partitions = f64::from(count.ok_or_else(|| CostError::Partitions(text.clone()))?);
    }
    Ok(inputs)
}

/// What the games that were named have counted; `None`: none was.
async fn counters(matches: &ArgMatches) -> Result<Option<Counters>, CostError> {
    let Some(places) = matches.get_many::<String>("metrics") else { return Ok(None) };
    let mut counters = Counters::default();
    for place in places {
        let read = counters.read(place).await;
        read.map_err(|source| CostError::Metrics { place: place.clone(), source })?;
    }
    if counters.presses <= 0.0 || counters.sends <= 0.0 {
        return Err(CostError::Nothing("these processes have not taken a press yet"));
    }
    Ok(Some(counters))
}
