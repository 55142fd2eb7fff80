//! What stands there and costs by the month, whether anybody presses or not.

use serde::Serialize;

use super::HOURS_PER_MONTH;
use super::inputs::Inputs;
use super::presses::{GB, vcpu_hour};
use super::prices::Prices;
use crate::bounds::{GAUGES_MS, HANDLER_LOOPS_MAX, RECEIVE_WAIT_SQS_MS};

/// The least that Aurora Serverless v2 has while it is asked: it could sleep at 0, but every process looks at it several
/// times a second.
const ACU_AWAKE_MIN: f64 = 0.5;
/// Bytes of a player's row with its index.
const PLAYER_BYTES: f64 = 400.0;
/// Bytes of a player on the board: measured, in a sorted set.
const STANDING_BYTES: f64 = 110.0;
/// ElastiCache Serverless for Valkey bills at least 100 MB (<https://aws.amazon.com/elasticache/pricing/>).
const BOARD_GB_MIN: f64 = 0.1;
/// Schedulers among the other nodes: two, so that one may fail.
const SCHEDULERS: f64 = 2.0;
/// Images that are kept, of 0.03 GB each.
const IMAGES_GB: f64 = 0.3;

/// One line of what is paid for whether anybody presses or not.
#[derive(Debug, Clone, Serialize)]
pub struct StandingCost {
    /// What is paid for.
    pub name: &'static str,
    /// Dollars a month.
    pub usd: f64,
    /// Whether only the packed way needs it.
    pub packed_only: bool,
}

/// What stands there, in dollars a month.
pub fn lines(inputs: &Inputs, prices: &Prices) -> Vec<StandingCost> {
    let packed = |name, usd| StandingCost { name, usd, packed_only: true };
    let both = |name, usd| StandingCost { name, usd, packed_only: false };
    vec![
        packed(
            "interface endpoints",
            inputs.endpoints * inputs.zones * prices.endpoint_hour.usd * HOURS_PER_MONTH,
        ),
        packed("ingest and handlers", nodes(prices, inputs.ingest_nodes + inputs.handlers, inputs.node_vcpu)),
        packed("schedulers, push, live", nodes(prices, inputs.other_nodes, inputs.other_vcpu)),
        packed("load balancer, its addresses", load_balancer(inputs, prices)),
        packed("SQS, asked while it is empty", asking(inputs, prices)),
        both("database, at its least", database(inputs, prices)),
        both("database, what it stores", storage(inputs, prices)),
        both("board, what it stores", board(inputs, prices)),
        both("secrets and their key", inputs.secrets * prices.secret_month.usd + prices.kms_key_month.usd),
        both(
            "alarms, metrics, logs, images",
            inputs.alarms * prices.alarm_month.usd
                + inputs.metrics * prices.metric_month.usd
                + prices.dashboard_month.usd
                + inputs.log_gb * prices.log_gb.usd
                + IMAGES_GB * prices.image_gb_month.usd,
        ),
    ]
}

/// Dollars a month of all, and of what only the packed way needs.
pub fn totals(lines: &[StandingCost]) -> (f64, f64) {
    let only = lines.iter().filter(|line| line.packed_only).map(|line| line.usd);
    (lines.iter().map(|line| line.usd).sum(), only.sum())
}

fn nodes(prices: &Prices, count: f64, vcpu: f64) -> f64 {
    count * vcpu * vcpu_hour(prices) * HOURS_PER_MONTH
}

/// One, with a public address in each zone.
fn load_balancer(inputs: &Inputs, prices: &Prices) -> f64 {
    (prices.nlb_hour.usd + inputs.zones * prices.public_ipv4_hour.usd) * HOURS_PER_MONTH
}

/// Every process that uses the inbox looks at the queue, all but ingest also at its dead letters, for their gauges;
/// every loop of a handler asks for messages, as seldom as SQS allows.
fn asking(inputs: &Inputs, prices: &Prices) -> f64 {
    let ms_per_month = HOURS_PER_MONTH * 3_600_000.0;
    let looks = inputs.ingest_nodes + 2.0 * (inputs.handlers + SCHEDULERS.min(inputs.other_nodes));
    let gauges = looks * ms_per_month / GAUGES_MS as f64;
    let loops = inputs.handlers * inputs.partitions.min(f64::from(HANDLER_LOOPS_MAX));
    let receives = loops * ms_per_month / RECEIVE_WAIT_SQS_MS as f64;
    (gauges * prices.sqs_standard_request_million.usd + receives * prices.sqs_fifo_request_million.usd) / 1e6
}

fn database(inputs: &Inputs, prices: &Prices) -> f64 {
    inputs.acu_min.max(ACU_AWAKE_MIN) * prices.aurora_capacity_unit_hour.usd * HOURS_PER_MONTH
}

/// Players, and the journal, which keeps what was sent.
fn storage(inputs: &Inputs, prices: &Prices) -> f64 {
    let journal = inputs.journal_months * inputs.presses_per_month() * inputs.press_bytes;
    (inputs.players * PLAYER_BYTES + journal) / GB * prices.aurora_storage_gb_month.usd
}

fn board(inputs: &Inputs, prices: &Prices) -> f64 {
    (inputs.players * STANDING_BYTES / GB).max(BOARD_GB_MIN) * prices.valkey_gb_hour.usd * HOURS_PER_MONTH
}
