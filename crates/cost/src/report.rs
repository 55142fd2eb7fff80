//! The report of the command, as a table or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::counters::Counters;
use crate::inputs::{FLAGS, Inputs};
use crate::packing::Packing;
use crate::presses::{self, Line, PRESSES_PER_VCPU_S};
use crate::prices::Prices;
use crate::standing::{self, StandingCost};

/// Default limit of API Gateway, in requests per second
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>).
const API_GATEWAY_S: f64 = 10_000.0;

/// What a deployment costs, in dollars.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Date of the prices.
    pub as_of: String,
    pub region: String,
    /// The inputs by flag.
    pub inputs: BTreeMap<&'static str, f64>,
    /// Whether a running game measured the packing.
    pub measured: bool,
    pub packing: PackingReport,
    /// While a round is lit.
    pub presses_per_second: f64,
    pub presses_per_month: f64,
    pub per_million_presses: Vec<Line>,
    pub per_million_presses_total: Both,
    /// SQS per million presses, if every envelope were full.
    pub sqs_when_full: f64,
    /// Reads of `/fetch/self`.
    pub per_million_reads: f64,
    /// Fixed costs of a month.
    pub standing: Vec<StandingCost>,
    pub standing_total: Both,
    /// A month with the presses and reads of the inputs.
    pub month: Both,
    /// Presses per month from which the packed design is cheaper; `None` if it never is.
    pub break_even_presses_per_month: Option<f64>,
    /// Limits and exclusions of the estimate.
    pub notes: Vec<String>,
}

/// Dollars in both designs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Both {
    pub packed_usd: f64,
    /// With one message per press.
    pub each_usd: f64,
}

/// How presses are packed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PackingReport {
    pub presses_per_send: f64,
    pub presses_per_envelope: f64,
    pub envelopes_per_receive: f64,
    /// Billed requests to SQS.
    pub requests_per_press: f64,
}

impl Report {
    /// Computes the report. With counters of a running game, the packing is the measured one.
    pub fn new(inputs: &Inputs, prices: &Prices, counters: Option<&Counters>) -> Self {
        let packing = counters.map_or_else(|| Packing::expected(inputs), |of| Packing::measured(of, inputs));
        let lines = presses::lines(inputs, prices, &packing);
        let standing = standing::lines(inputs, prices);
        let (packed_usd, each_usd) = presses::totals(&lines);
        let (all, packed_only) = standing::totals(&standing);
        let per_million_presses_total = Both { packed_usd, each_usd };
        let standing_total = Both { packed_usd: all, each_usd: all - packed_only };
        let millions = inputs.presses_per_month() / 1e6;
        let reads = millions * inputs.reads_per_press * presses::reads(prices);
        let month = Both {
            packed_usd: standing_total.packed_usd + millions * packed_usd + reads,
            each_usd: standing_total.each_usd + millions * each_usd + reads,
        };
        let saved = each_usd - packed_usd;
        let full = Packing::full(inputs).requests_per_command().total();
        Self {
            as_of: prices.as_of.clone(),
            region: prices.region.clone(),
            inputs: inputs_by_flag(inputs),
            measured: counters.is_some(),
            packing: PackingReport {
                presses_per_send: packing.commands_per_send,
                presses_per_envelope: packing.commands_per_send / packing.envelopes_per_send,
                envelopes_per_receive: packing.envelopes_per_receive,
                requests_per_press: packing.requests_per_command().total(),
            },
            presses_per_second: inputs.presses_per_s(),
            presses_per_month: inputs.presses_per_month(),
            per_million_presses: lines,
            per_million_presses_total,
            sqs_when_full: full * prices.sqs_fifo_request_million.usd,
            per_million_reads: presses::reads(prices),
            standing,
            standing_total,
            month,
            break_even_presses_per_month: (saved > 0.0).then(|| packed_only / saved * 1e6),
            notes: notes(inputs, prices),
        }
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { region, as_of, packing, .. } = self;
        writeln!(out, "list prices of {region}, {as_of}\n")?;
        let (second, month) = (count(self.presses_per_second), count(self.presses_per_month));
        writeln!(out, "{second} presses a second while a round is lit, {month} a month")?;
        let how = if self.measured { "measured" } else { "expected" };
        writeln!(
            out,
            "{how}: {} presses a send, {} an envelope; {} requests to SQS for 1 000 presses\n",
            count(packing.presses_per_send),
            count(packing.presses_per_envelope),
            count(packing.requests_per_press * 1000.0)
        )?;
        let mut row =
            |name: &str, packed: &str, each: &str| writeln!(out, "{name:<38}{packed:>10}{each:>10}");
        row("dollars for a million presses", "packed", "one each")?;
        for Line { name, packed_usd, each_usd } in &self.per_million_presses {
            row(&format!("  {name}"), &usd(*packed_usd), &each_usd.map_or("-".to_owned(), usd))?;
        }
        let both = |Both { packed_usd, each_usd }: Both| (usd(packed_usd), usd(each_usd));
        let (packed, each) = both(self.per_million_presses_total);
        row("  together", &packed, &each)?;
        row("dollars a month, whatever happens", "", "")?;
        for StandingCost { name, usd: each, packed_only } in &self.standing {
            row(&format!("  {name}"), &usd(*each), &if *packed_only { "-".to_owned() } else { usd(*each) })?;
        }
        let (packed, each) = both(self.standing_total);
        row("  together", &packed, &each)?;
        let (packed, each) = both(self.month);
        row("dollars a month, with presses, reads", &packed, &each)?;
        writeln!(out)?;
        match self.break_even_presses_per_month {
            Some(presses) => writeln!(out, "packed is cheaper from {} presses a month on", count(presses))?,
            None => writeln!(out, "packed is never cheaper: so few presses share a request")?,
        }
        writeln!(out, "one each: API Gateway, one SQS message for each press, Lambda")?;
        writeln!(
            out,
            "SQS, were every envelope full: {} dollars for a million presses",
            usd(self.sqs_when_full)
        )?;
        let reads = usd(self.per_million_reads);
        writeln!(
            out,
            "a million reads of /fetch/self through API Gateway and Lambda: {reads} dollars, on both ways"
        )?;
        self.notes.iter().try_for_each(|note| writeln!(out, "{note}"))
    }
}

fn inputs_by_flag(inputs: &Inputs) -> BTreeMap<&'static str, f64> {
    let flags = FLAGS.iter().map(|flag| (flag.name, flag.of(inputs)));
    flags.chain([("partitions", inputs.partitions), ("tls", f64::from(u8::from(inputs.tls)))]).collect()
}

/// Limits that the deployment would exceed, and costs that are left out.
fn notes(inputs: &Inputs, prices: &Prices) -> Vec<String> {
    let mut notes = Vec::new();
    let rate = inputs.presses_per_s();
    for (what, nodes) in [("taken", inputs.ingest_nodes), ("applied as fast as they come", inputs.handlers)] {
        let can = nodes * inputs.node_vcpu * PRESSES_PER_VCPU_S;
        if rate > can {
            let (rate, can) = (count(rate), count(can));
            notes.push(format!("too small: {rate} presses a second come, about {can} can be {what}"));
        }
    }
    if rate > API_GATEWAY_S {
        let limit = count(API_GATEWAY_S);
        notes.push(format!("API Gateway takes {limit} requests a second unless AWS agrees to more"));
    }
    if !inputs.tls {
        let packed =
            |inputs: &Inputs| presses::totals(&presses::lines(inputs, prices, &Packing::expected(inputs))).0;
        let more = packed(&Inputs { tls: true, ..inputs.clone() }) - packed(inputs);
        notes.push(format!(
            "not in it: TLS at the load balancer, were each press a new connection: {} dollars more for a million \
             presses, mostly for sending certificates (--tls)",
            usd(more)
        ));
    }
    notes.push(format!(
        "not in it: an Application Load Balancer in place of the network one: {} dollars for a million presses",
        usd(presses::application_load_balancer(inputs, prices))
    ));
    notes
}

/// Formats dollars: with cents, and below ten cents with two significant digits.
pub fn usd(dollars: f64) -> String {
    let size = dollars.abs();
    match size {
        _ if size >= 1000.0 => count(dollars),
        _ if size >= 100.0 => format!("{dollars:.0}"),
        _ if !(5e-9..0.095).contains(&size) => format!("{dollars:.2}"),
        _ if size >= 0.0095 => format!("{dollars:.3}"),
        _ if size >= 0.000_95 => format!("{dollars:.4}"),
        _ if size >= 0.000_095 => format!("{dollars:.5}"),
        _ => format!("{dollars:.1e}"),
    }
}

/// Formats a count with three significant digits, in groups of three.
pub fn count(number: f64) -> String {
    let size = number.abs();
    if size < 1000.0 {
        let decimals = match size {
            _ if size >= 99.95 || size == 0.0 => 0,
            _ if size >= 9.995 => 1,
            _ => 2,
        };
        return format!("{number:.decimals$}");
    }
    let unit = 10_f64.powf(size.log10().floor() - 2.0);
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}
